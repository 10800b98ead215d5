"""Files that appear whole or not at all."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneloop.kit.errors import OutOfSpace

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_file(path: Path, content: bytes) -> None:
    """Write, fsync and rename into place; a full disk raises OutOfSpace and leaves the former file as it was."""
    temporary = path.with_name(f".{path.name}.partial")
    with _room_for(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write files into an empty folder, then publish it as `path`, which must not exist yet."""
    temporary = path.with_name(f".{path.name}.partial")
    with _room_for(path):
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir(parents=True)
            fill(temporary)
            for file in temporary.iterdir():
                _sync(file)
            _sync(temporary)
            temporary.rename(path)
            _sync(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _room_for(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise OutOfSpace(f"no space left to write {path.name}; free some and start the run again") from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
