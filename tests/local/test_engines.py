"""The embedded engines."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as BrokerAway

from tests.gateway.waiting import eventually
from tuneloop.kit.errors import Conflict
from tuneloop.kit.settings import Settings
from tuneloop_local.engines import EngineUrls, engines


@pytest.fixture
def own(engines_folder: Path) -> Iterator[EngineUrls]:
    with engines(Settings(data_dir=engines_folder / "own")) as urls:
        yield urls


def test_an_engine_that_is_killed_is_started_again_with_its_data_at_its_address(
    own: EngineUrls, engines_folder: Path
) -> None:
    with psycopg.connect(own.migration) as owner:
        owner.execute("create table kept (id int)")
        owner.execute("insert into kept values (1)")
    for number in (signal.SIGKILL, signal.SIGQUIT):
        pid = int((engines_folder / "own" / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, number)
        eventually(lambda: _rows(own) == 1, within=120)

    broker = Redis.from_url(own.broker)
    broker.set("kept", "1")
    before = broker.info("server")["process_id"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: _process(broker) not in (None, before))
    assert broker.get("kept") == b"1"
    assert "Ready to accept connections" in (engines_folder / "own" / "valkey" / "valkey.log").read_text()


def test_a_broker_in_a_folder_with_a_long_path_has_its_socket_elsewhere_and_nobody_else_s(
    engines_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=engines_folder / ("long" * 25), database_url="postgresql://elsewhere/tuneloop")
    with engines(settings) as urls:
        socket = Path(urls.broker.removeprefix("unix://").partition("?")[0])
        assert Redis.from_url(urls.broker).ping()
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    with pytest.raises(Conflict, match="belongs to somebody else"), engines(settings):
        raise AssertionError("it started")


KILLED = """
import os, signal, sys
from pathlib import Path
import psycopg
from redis import Redis
from tuneloop.kit.settings import Settings
from tuneloop_local.engines import engines
with engines(Settings(data_dir=Path(sys.argv[1]))) as urls:
    Redis.from_url(urls.broker).set("kept", "1")
    with psycopg.connect(urls.migration) as owner:
        owner.execute("create table kept (id int)")
        owner.execute("insert into kept values (1)")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_engines_that_outlived_a_killed_process_are_taken_over_with_their_data(engines_folder: Path) -> None:
    folder = engines_folder / "taken-over"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with engines(Settings(data_dir=folder)) as urls:
        assert Redis.from_url(urls.broker).get("kept") == b"1"
        assert _rows(urls) == 1
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(urls.migration)


def _rows(urls: EngineUrls) -> int | None:
    try:
        with psycopg.connect(urls.migration) as owner:
            return len(owner.execute("select from kept").fetchall())
    except psycopg.OperationalError:
        return None


def _process(broker: Redis) -> int | None:
    try:
        return int(broker.info("server")["process_id"])
    except BrokerAway:
        return None
