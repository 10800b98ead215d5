"""How much room a disk has."""

import shutil
from pathlib import Path
from typing import NamedTuple

GIB = 1 << 30
SHORT_SHARE, SHORT_BYTES = 0.05, 5 * GIB


class Disk(NamedTuple):
    """Bytes of the file system that holds `folder`."""

    folder: Path
    total: int
    free: int

    @property
    def is_short(self) -> bool:
        """A training and its version, or a day of a busy database, might not fit."""
        return self.free < min(SHORT_BYTES, SHORT_SHARE * self.total)

    def __str__(self) -> str:
        return f"{self.free / GIB:.1f} of {self.total / GIB:.0f} GiB are free on the disk of {self.folder}"


def disk_of(folder: Path) -> Disk:
    """The folder, or the one above it that exists."""
    folder = folder.resolve()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    found = shutil.disk_usage(there)
    return Disk(folder, found.total, found.free)
