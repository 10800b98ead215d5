"""Logs of an installation's processes and engines, kept within bounds while they are written."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import structlog

from tuneloop.kit.repeating import repeating

log = structlog.get_logger(__name__)

LOOK_SECONDS = 60.0
MOST = 20 << 20
"""Bytes of a log; as many of what came before are kept beside it."""
FILES = ("logs/*.log", "postgres/log", "valkey/valkey.log")


def bounded_logs(folder: Path) -> AbstractContextManager[None]:
    """Those in this data folder, while the block runs."""
    return repeating(lambda: turn_over(folder), every=LOOK_SECONDS)


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
