"""Objects of the store that nothing names: uploads that were refused, files of jobs that failed."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import structlog
from psycopg import connect
from sqlalchemy import text

from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotFound
from tuneloop.kit.named_objects import KEEP_OBJECTS, named_digests, unknown_tables, with_contents
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage

log = structlog.get_logger(__name__)

UNNAMED_FOR = timedelta(days=1)
"""What is younger may be named soon: a job stores its files before it writes the rows about them."""
EVERY_SECONDS = 24 * 3600.0
MARK = "objects-swept"


def sweep_daily(settings: Settings, database: Database, storage: Storage) -> int:
    """How many objects went; none if a worker of this machine has looked within the last day."""
    mark = settings.data_dir.resolve() / MARK
    if mark.exists() and time.time() - mark.stat().st_mtime < EVERY_SECONDS:
        return 0
    gone = sweep_objects(settings.database_url, database, storage)
    _touch(mark)
    return gone


def sweep_objects(database_url: str, database: Database, storage: Storage) -> int:
    """Delete what nothing has named for a day; does nothing while a backup copies, or another worker sweeps."""
    with _alone(database_url) as alone:
        if not alone:
            return 0
        before = now() - UNNAMED_FOR
        old = {each.digest for each in storage.digests() if each.stored_at < before}
        with database.all_agencies() as session:

            def texts(statement: str) -> Iterable[str]:
                return session.connection().execute(text(statement)).scalars()

            if unknown := unknown_tables(texts):
                log.warning("objects_not_swept", unknown=sorted(unknown))  # of a newer release
                return 0
            named = named_digests(texts)
        return sum(_delete(storage, digest) for digest in sorted(old - with_contents(storage, named)))


def _delete(storage: Storage, digest: str) -> bool:
    """Not what was stored again just now."""
    try:
        if storage.stored_at(digest) > now() - UNNAMED_FOR:
            return False
    except NotFound:
        return False
    storage.delete(digest)
    return True


@contextmanager
def _alone(database_url: str) -> Iterator[bool]:
    with connect(database_url, autocommit=True) as connection:
        row = connection.execute("select pg_try_advisory_lock(%s)", (KEEP_OBJECTS,)).fetchone()
        yield bool(row and row[0])


def _touch(mark: Path) -> None:
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
