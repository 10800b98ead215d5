"""The embedded engines."""

from pathlib import Path

from redis import Redis

from tuneloop.kit.settings import Settings
from tuneloop_local.engines import engines


def test_the_broker_logs_to_a_file_and_not_to_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    with engines(Settings(data_dir=tmp_path, database_url="postgresql://elsewhere/tuneloop")) as urls:
        assert Redis.from_url(urls.broker).ping()
        assert "Ready to accept connections" in (tmp_path / "valkey" / "valkey.log").read_text()
