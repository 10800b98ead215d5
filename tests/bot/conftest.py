"""An emulator with an agency's workspace in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_bolt import BoltRequest
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View
from sqlalchemy import Engine

from tests.bot.crowd import Everybody
from tests.bot.office import Office, office
from tests.support.committed import committed_agency
from tests.support.cycles import Workshop, make_workshop
from tests.support.ports import free_port
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency
from tuneloop_bot.app import make_app
from tuneloop_local.emulators.slack.app import Emulator
from tuneloop_local.emulators.slack.delivery import AppResponse, Signed
from tuneloop_local.emulators.slack.server import running
from tuneloop_local.emulators.slack.workspace import App
from tuneloop_local.engines import EngineUrls


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Its triggers last: on a busy machine three seconds are soon over."""
    with running(Emulator(port=free_port(), app=App(trigger_seconds=60))) as started:
        yield started


@pytest.fixture
def north(emulator: Emulator, database: Database, agency: Agency, storage: Storage, tmp_path: Path) -> Iterator[Office]:
    with office(emulator, database, agency, storage, tmp_path) as made:
        made.say("Ann", "here")
        yield made
        _valid(made)


def _valid(made: Office) -> None:
    """Everything that Slack was sent is what its own models take."""
    team = made.client.state()["teams"][made.team]
    for message in team["messages"]:
        assert len(message["blocks"]) <= 50
        for block in message["blocks"]:
            assert Block.parse(block).to_dict()  # type: ignore[union-attr]
    for home in team["homes"].values():
        assert View(**home).to_dict()


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order", "refund"])


@pytest.fixture
def everybody(
    engine: Engine, urls: EngineUrls, emulator: Emulator, storage: Storage, tmp_path: Path
) -> Iterator[Everybody]:
    with (
        committed_agency(engine, urls) as (database, agency),
        office(emulator, database, agency, storage, tmp_path) as north,
    ):
        made = make_workshop(database, agency, ["order"], base=f"base-{new_id()}")
        app = make_app(north.settings, database)

        def post(_url: str, request: Signed) -> AppResponse:
            answer = app.dispatch(BoltRequest(body=request.body.decode(), headers=dict(request.headers)))
            return AppResponse(answer.status, answer.body)

        emulator.delivery.post = post
        north.say("Ann", "here")
        north.say("Otto", "status")
        north.say("Olga", "status")
        yield Everybody(database, agency, made, north)
