"""Files that an erasure leaves without a row, and what jobs left on this machine's disk."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from sqlalchemy import String, Table, cast, or_, select
from sqlmodel import SQLModel, col

from tuneloop.kit.db import Database
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Erasure, JobRow, JobState

NAMING = ("adapter_version", "base_model", "candidate", "mail", "report_file", "report_style")
"""Tables whose rows name objects of the store."""


def delete_unnamed(database: Database, storage: Storage, digests: Iterable[str]) -> int:
    """Delete the objects that no row of any agency names; returns how many."""
    gone = 0
    for digest in digests:
        with database.all_agencies() as session:
            named = any(_names(session, SQLModel.metadata.tables[table], digest) for table in NAMING)
        if not named and storage.exists(digest):
            storage.delete(digest)
            gone += 1
    return gone


def idle_jobs(session: TenantSession, request: Erasure) -> list[UUID]:
    """Jobs of the request's agency or client whose folder may hold text, and that do not run just now."""
    query = select(col(JobRow.id)).where(col(JobRow.state) != JobState.RUNNING, col(JobRow.started_at).is_not(None))
    if request.client_id is not None:
        query = query.where(col(JobRow.client_id) == request.client_id)
    return sorted(session.scalars(query))


def delete_workspaces(folder: Path, jobs: Iterable[UUID]) -> int:
    """Delete the folders of these jobs on this machine; a job that is tried again begins anew. Returns how many."""
    found = [path for job in jobs if (path := folder / str(job)).is_dir()]
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return len(found)


def _names(session: TenantSession, table: Table, digest: str) -> bool:
    columns = [column for column in table.columns if not column.foreign_keys and column.name != "id"]
    query = select(table.c.id).where(or_(*(cast(column, String).contains(digest) for column in columns))).limit(1)
    return session.connection().execute(query).first() is not None
