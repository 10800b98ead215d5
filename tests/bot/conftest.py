"""A sandbox with an agency's workspace in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_sdk.models.blocks import Block

from tests.bot.office import Office, office
from tests.support.cycles import Workshop, make_workshop
from tuneloop.kit.db import Database
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency
from tuneloop_bot.sandbox.server import Sandbox, running
from tuneloop_bot.sandbox.workspace import App


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Its triggers last: on a busy machine three seconds are soon over."""
    with running(Sandbox(app=App(trigger_seconds=60))) as started:
        yield started


@pytest.fixture
def north(sandbox: Sandbox, database: Database, agency: Agency, storage: Storage, tmp_path: Path) -> Iterator[Office]:
    with office(sandbox, database, agency, storage, tmp_path) as made:
        made.say("Ann", "here")
        yield made
        for message in made.client.messages(made.team):
            for block in message.content["blocks"]:
                assert Block.parse(block).to_dict()  # type: ignore[union-attr]


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order", "refund"])
