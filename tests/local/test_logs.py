"""Logs of a local installation."""

from pathlib import Path

from tuneloop_local.logs import turn_over


def test_a_long_log_is_moved_aside_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "web.log"
    log.parent.mkdir()
    (tmp_path / "logs" / "bot.log").write_text("short")
    with log.open("ab", buffering=0) as writer:
        writer.write(b"before " * 10)
        turn_over(tmp_path, most=50)
        writer.write(b"after")
        turn_over(tmp_path, most=50)
    assert log.read_bytes() == b"after"
    assert (tmp_path / "logs" / "web.log.1").read_bytes() == b"before " * 10
    assert not (tmp_path / "logs" / "bot.log.1").exists()
