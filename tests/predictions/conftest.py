"""A model with a version and answers in its production log."""

from datetime import timedelta
from typing import NamedTuple

import pytest

from tests.gateway.world import QUESTION, make_version
from tests.support.factories import SUPPORT, make_base, make_model
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.tables import Client, Prediction, RegisteredModel


class Log(NamedTuple):
    """`rows` oldest first, with confidence 0.1, 0.2, … in that order."""

    model: RegisteredModel
    rows: list[Prediction]


def make_log(database: Database, client: Client, size: int = 5, slug: str = "support") -> Log:
    model = make_model(database, client, make_base(database, f"base-of-{client.id}-{slug}"), slug)
    version = make_version(database, model, "1.0", SUPPORT)
    with database.unit(client.agency_id) as session:
        rows = [
            Prediction(
                client_id=client.id,
                model_id=model.id,
                version_id=version.id,
                digest=version.digest,
                at=now() - timedelta(minutes=size - number),
                messages=[{"role": "user", "content": f"{QUESTION[0]['content']} It is number {number * 7919}."}],
                answer="order",
                confidence=round(0.1 * (number + 1), 1),
            )
            for number in range(size)
        ]
        session.add_all(rows)
    return Log(model, rows)


@pytest.fixture
def log(database: Database, client_row: Client) -> Log:
    return make_log(database, client_row)
