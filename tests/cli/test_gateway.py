"""`tuneloop ask` and `feedback send` against a running gateway."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient
from sqlalchemy import Engine, text

from tests.cli.shell import Shell, Wire
from tests.gateway.world import make_version
from tests.support.committed import committed_agency
from tests.support.factories import SUPPORT, make_base, make_client, make_key, make_model
from tests.support.upstream import scripted_engine
from tuneloop.cli.failure import ExitCode
from tuneloop.kit.db import make_engine
from tuneloop.kit.ids import new_id
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.registry.service import point
from tuneloop.tables import Alias
from tuneloop.web.app import create_app
from tuneloop_local.engines import EngineUrls


@pytest.fixture
def served(engine: Engine, urls: EngineUrls, storage: Storage, tmp_path: Path) -> Iterator[Shell]:
    """A shell whose application runs its gateway: that takes real commits."""
    base_name = f"base-{new_id()}"
    with committed_agency(engine, urls) as (database, agency), scripted_engine() as upstream:
        model = make_model(database, make_client(database, agency, "acme"), make_base(database, base_name))
        version = make_version(database, model, "1.0", SUPPORT)
        with database.unit(agency.id) as session:
            point(session, model, Alias.PRODUCTION, version.id)
        settings = Settings(data_dir=tmp_path, serve_url=upstream.url)
        with TestClient(create_app(settings, database, storage)) as http:
            yield Shell(Wire(http), make_key(database, agency), tmp_path / "data")
    owner = make_engine(urls.migration, pool_size=1)
    with owner.begin() as connection:
        connection.execute(text("delete from base_model where name = :name"), {"name": base_name})
    owner.dispose()


def test_ask_answers_with_version_and_confidence_and_takes_feedback(served: Shell) -> None:
    answer = served.json("ask", "acme/support", "Where is my parcel?")
    shown = served.run("ask", "acme/support", "Where is my parcel?").stdout
    assert answer["model"] == "acme/support@v1.0"
    assert shown.splitlines()[0] == answer["choices"][0]["message"]["content"]
    assert "acme/support@v1.0, confidence 0." in shown

    sent = served.json("feedback", "send", answer["id"], "--correction", "refund")
    listed = served.run("feedback", "list", "acme/support").stdout
    assert sent["kind"] == "correction"
    assert sent["id"] in listed
    assert "refund" in listed
    assert answer["id"] in served.run("prediction", "list", "acme/support").stdout


def test_ask_lists_what_is_served(served: Shell) -> None:
    assert "acme/support@v1.0" in served.run("ask").stdout


def test_asking_for_an_unknown_model_is_not_found(served: Shell) -> None:
    result = served.run("ask", "acme/nothing", "Hello")
    assert result.exit_code == ExitCode.NOT_FOUND
    assert "does not exist or you may not call it" in result.stderr


def test_feedback_says_one_thing(served: Shell) -> None:
    result = served.run("feedback", "send", "chatcmpl-1", "--rating", 3, "--error")
    assert result.exit_code == ExitCode.USAGE
