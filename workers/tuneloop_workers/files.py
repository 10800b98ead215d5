"""Write a file or folder atomically: under a temporary name, synced to disk, then renamed."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneloop.kit.errors import Conflict, OutOfSpace

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that becomes `target` when the block ends well.

    Everything is on disk (fsync) before the rename. On any error nothing is left behind; a full disk raises
    OutOfSpace. An existing `target` raises Conflict.
    """
    if target.exists():
        raise Conflict(f"{target} exists already; remove it or choose another folder", path=str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with _disk_space_errors(target):
            yield draft
            draft.chmod(0o755)
            for path in sorted(draft.rglob("*")):
                if path.is_file():
                    path.chmod(0o644)
                _sync(path)
            _sync(draft)
            draft.rename(target)
            _sync(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Like `new_folder` for one file; an existing `target` is replaced in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _disk_space_errors(target):
            yield draft
            _sync(draft)
            draft.replace(target)
            _sync(target.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _disk_space_errors(target: Path) -> Iterator[None]:
    """Turns a full disk or quota into OutOfSpace, also where a library wrapped the error in its own."""
    try:
        yield
    except Exception as error:
        if _is_disk_full(error):
            raise OutOfSpace(
                f"no space left to write {target}; free some space and start again", path=str(target)
            ) from error
        raise


def _is_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return True
        # safetensors keeps only the text of the error, numpy only the count of what was written.
        if f"os error {errno.ENOSPC}" in str(error) or _SHORT_WRITE.fullmatch(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
