"""Case 15: the disk of data folder and object store fills up during a training, and is emptied again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.failures.figures import figure
from tests.failures.installation import Faulty, faulty
from tuneloop.kit.migrations import migrate
from tuneloop.kit.settings import Settings
from tuneloop_local.demo.api import DemoFailed
from tuneloop_local.engines import engines

pytestmark = [
    pytest.mark.failure_case(15),
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own is mounted, which takes root"),
]

DISK = "256m"
LEFT = (400_000, 100_000, 10_000)
"""Bytes that are free when the training begins."""


@pytest.fixture(scope="module")
def small(engines_folder: Path) -> Iterator[Faulty]:
    """PostgreSQL and Valkey have a disk of their own, as in production."""
    disk = engines_folder / "disk"
    disk.mkdir()
    with ExitStack() as stack:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)], check=True)
        stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=True)
        (disk / "data").mkdir()
        urls = stack.enter_context(engines(Settings(data_dir=engines_folder / "elsewhere")))
        migrate(urls.migration)
        named = {"database_url": urls.database, "migration_url": urls.migration, "broker_url": urls.broker}
        yield stack.enter_context(faulty(disk, **named))


def fill(disk: Path, left: int) -> Path:
    """A file that leaves so many bytes free."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - left)
    return ballast


def test_a_full_disk_fails_the_training_with_its_reason_and_leaves_serving_alone(
    small: Faulty, engines_folder: Path
) -> None:
    disk, reasons = engines_folder / "disk", []
    with small.traffic() as traffic:
        for left in LEFT:
            path = small.model()
            ballast = fill(disk, left)
            try:
                with pytest.raises(DemoFailed, match="space") as failed:
                    small.trained(path, epochs=3)
                reasons.append(str(failed.value))
                assert small.running.operator.get(f"{path}/versions") == []
            finally:
                ballast.unlink()
            assert small.trained(path, epochs=3)["state"] in ("awaiting_promotion", "rejected")
        traffic.wait_for("acme/support@v1.0")
    assert traffic.failures == []
    figure(
        15,
        f"disk full in {len(LEFT)} trainings: failed with {reasons[0]!r}, no version, {len(traffic.versions)} answers "
        "meanwhile and 0 failed; once there was space the same training passed",
    )
