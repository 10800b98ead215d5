"""What nothing names for a day leaves the store; what a row names, or may name soon, stays."""

import os
import time
from pathlib import Path

import psycopg

from tests.support.committed import Committed
from tests.support.sample_jobs import Errand
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState, enqueue
from tuneloop.kit.jobs.object_sweep import MARK, UNNAMED_FOR, sweep_daily, sweep_objects
from tuneloop.kit.named_objects import KEEP_OBJECTS
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop_local.engines import EngineUrls


def age(storage: Storage, digest: str) -> str:
    at = time.time() - UNNAMED_FOR.total_seconds() - 60
    os.utime(storage.path(digest), (at, at))
    return digest


def naming(committed: Committed, digest: str, state: JobState) -> None:
    """A job whose order names the object."""
    with committed.database.unit(committed.agency.id) as session:
        row = session.get_one(JobRow, enqueue(session, Errand(subject=new_id()), agency_id=committed.agency.id))
        row.args, row.state = {"file": digest}, state
        session.add(row)


def test_what_nothing_names_for_a_day_goes(committed: Committed, urls: EngineUrls, storage: Storage) -> None:
    unnamed, of_a_failed_job, of_one_that_waits, stored_again = (
        age(storage, storage.put_bytes(content)) for content in (b"refused", b"failed", b"waits", b"again")
    )
    new = storage.put_bytes(b"not named yet")
    storage.put_bytes(b"again")
    naming(committed, of_a_failed_job, JobState.FAILED)
    naming(committed, of_one_that_waits, JobState.QUEUED)
    assert sweep_objects(urls.database, committed.database, storage) == 2
    assert {each.digest for each in storage.digests()} == {of_one_that_waits, new, stored_again}
    assert not storage.exists(unnamed)


def test_files_of_a_folder_that_is_named_stay(
    committed: Committed, urls: EngineUrls, storage: Storage, tmp_path: Path
) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "part").write_bytes(b"much")
    folder = storage.put_folder(tmp_path / "weights")
    before = {age(storage, each.digest) for each in list(storage.digests())}
    naming(committed, folder, JobState.RUNNING)
    assert sweep_objects(urls.database, committed.database, storage) == 0
    assert {each.digest for each in storage.digests()} == before


def test_while_a_backup_copies_and_with_tables_of_a_newer_release_nothing_goes(
    committed: Committed, urls: EngineUrls, storage: Storage
) -> None:
    digest = age(storage, storage.put_bytes(b"unnamed"))
    with psycopg.connect(urls.migration, autocommit=True) as owner:
        owner.execute("select pg_advisory_lock_shared(%s)", [KEEP_OBJECTS])
        assert sweep_objects(urls.database, committed.database, storage) == 0
        owner.execute("select pg_advisory_unlock_shared(%s)", [KEEP_OBJECTS])
        owner.execute("create table of_tomorrow (digest text)")
        try:
            assert sweep_objects(urls.database, committed.database, storage) == 0
        finally:
            owner.execute("drop table of_tomorrow")
    assert storage.exists(digest)


def test_a_machine_looks_once_a_day(committed: Committed, urls: EngineUrls, storage: Storage, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=urls.database)
    assert sweep_daily(settings, committed.database, storage) == 0
    digest = age(storage, storage.put_bytes(b"unnamed"))
    assert sweep_daily(settings, committed.database, storage) == 0
    os.utime(tmp_path / MARK, (0, 0))
    assert sweep_daily(settings, committed.database, storage) == 1
    assert not storage.exists(digest)
