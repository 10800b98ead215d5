"""Logs of an installation's processes and engines, kept within bounds while they are written."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

LOOK_SECONDS = 60.0
MOST = 20 << 20
"""Bytes of a log; as many of what came before are kept beside it."""
FILES = ("logs/*.log", "postgres/log", "valkey/valkey.log")


@contextmanager
def bounded_logs(folder: Path) -> Iterator[None]:
    """Those in this data folder, while the block runs."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            turn_over(folder)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def turn_over(folder: Path, *, most: int = MOST) -> None:
    """Move what is in a log that is too long aside. Its writers append, so they go on at the beginning."""
    for path in (path for pattern in FILES for path in folder.glob(pattern)):
        try:
            if path.stat().st_size > most:
                shutil.copy2(path, path.with_name(f"{path.name}.1"))
                with path.open("r+b") as file:
                    file.truncate()
        except OSError as error:
            log.warning("log_not_turned_over", file=str(path), error=error)
