"""What jobs leave on a machine's disk, kept within bounds by its workers."""

import shutil
import time
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import psycopg
import structlog
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, or_, select

from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.disk import GIB, disk_of
from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.jobs.object_sweep import sweep_daily
from tuneloop.kit.jobs.table import JobRow, JobState
from tuneloop.kit.repeating import repeating
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3600.0
KEPT = timedelta(days=7)
"""Logs and checkpoints of a job that failed are there to be looked at for so long."""
IN_USE_SECONDS = 3600.0
FREE = Gauge("tuneloop_disk_free_bytes", "Free on the disk of the data folder")


class Tidied(NamedTuple):
    workspaces: int
    cached: int


def housekeeping(settings: Settings, database: Database, storage: Storage) -> AbstractContextManager[None]:
    """Tidy at once, and every hour while the block runs."""
    return repeating(lambda: _keep_house(settings, database, storage), every=EVERY_SECONDS, at_once=True)


def _keep_house(settings: Settings, database: Database, storage: Storage) -> None:
    try:
        tidied = tidy(settings, database)
        objects = sweep_daily(settings, database, storage)
        log.info("disk_tidied", workspaces=tidied.workspaces, cached=tidied.cached, objects=objects)
    except (OSError, SQLAlchemyError, psycopg.Error, TuneloopError) as error:
        log.warning("disk_not_tidied", error=error)
    disk = disk_of(settings.data_dir)
    FREE.set(disk.free)
    if disk.is_short:
        log.error("disk_short", folder=str(disk.folder), free=disk.free, total=disk.total)


def tidy(settings: Settings, database: Database) -> Tidied:
    """Delete folders of jobs that are long over, and copies of stored objects that nobody has used for the longest."""
    folder = settings.data_dir.resolve()
    return Tidied(
        _delete_workspaces(folder / "work", database),
        _shrink(folder / "cache", most=int(settings.cache_gib * GIB)),
    )


def _delete_workspaces(folder: Path, database: Database) -> int:
    found = {job_id: path for path in _inside(folder) if (job_id := _id(path.name)) is not None}
    if not found:
        return 0
    needed = or_(col(JobRow.state).in_((JobState.QUEUED, JobState.RUNNING)), col(JobRow.finished_at) > now() - KEPT)
    with database.all_agencies() as session:
        kept = set(session.exec(select(JobRow.id).where(col(JobRow.id).in_(found), needed)))
    gone = found.keys() - kept
    for job_id in gone:
        shutil.rmtree(found[job_id], ignore_errors=True)
    return len(gone)


def _shrink(folder: Path, *, most: int) -> int:
    """Delete what was used the longest ago until no more than so many bytes are left; what is in use stays."""
    files = sorted(
        ((path.stat().st_mtime, path.stat().st_size, path) for path in folder.rglob("*") if path.is_file()),
        reverse=True,
    )
    newest, size, gone = time.time() - IN_USE_SECONDS, 0, 0
    for used, length, path in files:
        size += length
        if size > most and used < newest:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def _inside(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _id(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
