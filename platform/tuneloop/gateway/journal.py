"""Answers that were given and are not in the database yet, in files: those of a killed process are stored by the next.

They outlive the process, not the machine's power: nothing waits for the disk.
"""

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import orjson
import structlog
from pydantic import ValidationError

from tuneloop.kit.ids import new_id
from tuneloop.tables import Prediction

log = structlog.get_logger(__name__)

SUFFIX = ".jsonl"


class Segment:
    """One file, locked as long as its process lives."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file

    def append(self, row: Prediction) -> None:
        self._file.write(orjson.dumps(row.model_dump(mode="json")) + b"\n")

    def rows(self) -> Iterator[Prediction]:
        """Without a last line that was cut off."""
        self._file.seek(0)
        for line in self._file:
            try:
                yield Prediction.model_validate(orjson.loads(line))
            except (orjson.JSONDecodeError, ValidationError) as error:
                log.warning("journal_line_unread", file=self._path.name, error=error)

    def delete(self) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()

    def close(self) -> None:
        """Leave it to the next process."""
        self._file.close()


class Journal:
    """Lives on one event loop. A folder that can't be written to, or is full, costs the journal and no answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._current: Segment | None = None
        self._works = True

    def append(self, row: Prediction) -> None:
        try:
            if self._current is None:
                self._current = self._new()
            self._current.append(row)
        except OSError as error:
            if self._works:
                log.error("journal_not_written", folder=str(self._folder), error=error)  # noqa: TRY400 - no traceback
            self._works = False
        else:
            self._works = True

    def turn(self) -> list[Segment]:
        """What was appended so far; what comes next goes into another file."""
        current, self._current = self._current, None
        return [current] if current is not None else []

    def left_behind(self) -> list[Segment]:
        """Files of processes that are gone; they are this one's now."""
        found = []
        with suppress(OSError):
            for path in sorted(self._folder.glob(f"*{SUFFIX}")):
                with suppress(OSError):
                    found.append(_locked(path))
        return found

    def close(self) -> None:
        close(self.turn())

    def _new(self) -> Segment:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _locked(self._folder / f"{new_id()}{SUFFIX}")


def close(segments: Iterable[Segment]) -> None:
    for segment in segments:
        segment.close()


def _locked(path: Path) -> Segment:
    """Raises BlockingIOError: another process has it."""
    file = path.open("a+b", buffering=0)
    try:
        path.chmod(0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return Segment(path, file)
