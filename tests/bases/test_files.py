"""Outputs appear whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from tuneloop.kit.errors import OutOfSpace
from tuneloop_workers.files import new_file, new_folder


def fill_the_disk(draft: Path) -> None:
    draft.write_text("half")
    with Path("/dev/full").open("w") as device:
        device.write("x" * 10_000)


def test_a_full_disk_raises_out_of_space_and_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OutOfSpace, match="free some space"), new_folder(tmp_path / "out") as draft:
        fill_the_disk(draft / "part")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(OutOfSpace), new_file(target) as draft:
        fill_the_disk(draft)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_numpy_s_short_write_is_understood(tmp_path: Path) -> None:
    with pytest.raises(OutOfSpace), new_file(tmp_path / "file"):
        np.zeros(10_000).tofile("/dev/full")
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_wraps_the_full_disk_is_understood(tmp_path: Path) -> None:
    with pytest.raises(OutOfSpace), new_folder(tmp_path / "out"):
        raise RuntimeError("I/O error: No space left on device (os error 28)")


def test_other_errors_pass_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), new_folder(tmp_path / "out") as draft:
        draft.write_text("a folder is not a file")
    assert list(tmp_path.iterdir()) == []
