"""What jobs leave on a machine's disk."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.committed import Committed
from tests.support.sample_jobs import Errand
from tuneloop.kit.clock import now
from tuneloop.kit.disk import Disk, disk_of
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState, enqueue
from tuneloop.kit.jobs.housekeeping import KEPT, Tidied, tidy
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage


def _workspace(committed: Committed, folder: Path, state: JobState, *, over: timedelta | None = None) -> Path:
    with committed.database.unit(committed.agency.id) as session:
        job_id = enqueue(session, Errand(subject=new_id()), agency_id=committed.agency.id)
        row = session.get_one(JobRow, job_id)
        row.state, row.finished_at = state, None if over is None else now() - over
        session.add(row)
    path = folder / "work" / str(job_id)
    path.mkdir(parents=True)
    (path / "checkpoint").write_bytes(b"much")
    return path


def test_folders_of_jobs_that_are_long_over_go_and_all_others_stay(committed: Committed, tmp_path: Path) -> None:
    long_over = _workspace(committed, tmp_path, JobState.FAILED, over=KEPT + timedelta(hours=1))
    of_no_job = tmp_path / "work" / str(new_id())
    kept = [
        _workspace(committed, tmp_path, JobState.FAILED, over=KEPT - timedelta(hours=1)),
        _workspace(committed, tmp_path, JobState.RUNNING),
        _workspace(committed, tmp_path, JobState.QUEUED),
        tmp_path / "work" / "of somebody",
    ]
    of_no_job.mkdir()
    kept[-1].mkdir()
    assert tidy(Settings(data_dir=tmp_path), committed.database) == Tidied(workspaces=2, cached=0)
    assert not long_over.exists()
    assert not of_no_job.exists()
    assert all(path.exists() for path in kept)


def test_copies_of_stored_objects_make_room_and_come_back_when_they_are_wanted(
    committed: Committed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Storage((tmp_path / "objects").as_uri(), cache=tmp_path / "cache")
    digests = [here.put_bytes(bytes([number]) * 1000) for number in range(3)]
    monkeypatch.setattr(here, "root", None)  # as with a bucket, whose objects are copied before they are read
    copies = [here.path(digest) for digest in digests]
    for age, copy in zip((30, 20, 10), copies, strict=True):
        os.utime(copy, times=(0, time.time() - age * 3600))
    here.path(digests[0])  # in use again
    settings = Settings(data_dir=tmp_path, cache_gib=2500 / (1 << 30))
    assert tidy(settings, committed.database) == Tidied(workspaces=0, cached=1)
    assert [copy.exists() for copy in copies] == [True, False, True]
    assert here.read(digests[1]) == bytes([1]) * 1000


def test_a_disk_is_short_when_a_training_might_not_fit(tmp_path: Path) -> None:
    assert disk_of(tmp_path / "not" / "there").total == disk_of(tmp_path).total
    assert Disk(tmp_path, total=1000 << 30, free=4 << 30).is_short
    assert not Disk(tmp_path, total=1000 << 30, free=6 << 30).is_short
    assert not Disk(tmp_path, total=20 << 30, free=2 << 30).is_short
    assert str(Disk(Path("/data"), total=20 << 30, free=2 << 30)) == "2.0 of 20 GiB are free on the disk of /data"
