"""A model with answers of three kinds, and a folder for pictures."""

import os
from pathlib import Path

import pytest
from sqlmodel import select

from tests.predictions.conftest import Log, make_log
from tests.support.committed import Committed
from tests.support.factories import make_client
from tuneloop.kit.ids import new_id
from tuneloop.tables import Prediction, RegisteredModel

QUESTIONS = ("Where is parcel {}?", "I want my money back for order {}", "The zip of jacket {} broke")


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where pictures go that one wants to look at: TUNELOOP_SHOTS, or nowhere that stays."""
    return Path(os.environ.get("TUNELOOP_SHOTS") or tmp_path)


@pytest.fixture
def log(home: Committed) -> Log:
    slug = f"c{new_id().hex[-8:]}"
    client = make_client(home.database, home.agency, slug)
    made = make_log(home.database, client, 12)
    made.model.policy = {"double_label_share": 0.0}  # how many answers wait must not be chance
    with home.database.unit(home.agency.id) as session:
        session.get_one(RegisteredModel, made.model.id).policy = made.model.policy
        for number, prediction in enumerate(
            session.exec(select(Prediction).where(Prediction.model_id == made.model.id))
        ):
            prediction.messages = [{"role": "user", "content": QUESTIONS[number % 3].format(f"<b>{number}</b>")}]
            session.add(prediction)
    return made
