"""Engine and unit of work: one request, job, event or command is one transaction, committed at the edge."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.orm import SessionTransaction
from sqlalchemy.orm.session import JoinTransactionMode

from tuneloop.kit.clock import follow, machine_time
from tuneloop.kit.tenancy import TenantSession

ALL_AGENCIES = "*"

SUSPENDED_SECONDS = 120
"""A process that is stopped in the middle of a transaction must not hold its locks for ever."""

_BEGIN = text(
    "select set_config('app.agency_id', :scope, true), "
    "set_config('idle_in_transaction_session_timeout', :limit, true), clock_timestamp()"
)


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def make_engine(url: str, *, pool_size: int = 5, answer_within: float | None = None) -> Engine:
    """Engine for psycopg 3; server-side prepared statements are off so that pgbouncer may sit in between.

    With `answer_within` (seconds) connecting, waiting for a lock and every statement fail after that time.
    """
    limits: dict[str, Any] = {"connect_timeout": 5}
    if answer_within is not None:
        milliseconds = int(answer_within * 1000)
        limits = {
            "connect_timeout": max(1, round(answer_within)),
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
        }
    return create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=pool_size,
        max_overflow=pool_size * 2,
        pool_pre_ping=True,
        hide_parameters=True,
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args={"prepare_threshold": None, **limits},
    )


class Database:
    """Opens units of work. Each is confined to one agency, or explicitly not."""

    def __init__(self, engine: Engine | Connection) -> None:
        self.engine = engine

    @contextmanager
    def unit(self, agency_id: UUID, *, client_id: UUID | None = None) -> Iterator[TenantSession]:
        """A transaction that sees one agency, or one client of it; commits unless the block raises."""
        with self._session() as session:
            session.agency_id = agency_id
            session.client_id = client_id
            with session.begin():
                yield session

    @contextmanager
    def all_agencies(self) -> Iterator[TenantSession]:
        """A transaction across tenants: sign-in, the gateway's route table, the job relay."""
        with self._session() as session:
            session.all_agencies = True
            with session.begin():
                yield session

    def _session(self) -> TenantSession:
        joined: JoinTransactionMode = (
            "create_savepoint" if isinstance(self.engine, Connection) else "conditional_savepoint"
        )
        return TenantSession(self.engine, expire_on_commit=False, join_transaction_mode=joined)


@contextmanager
def opened_database(url: str, *, pool_size: int = 1) -> Iterator[Database]:
    """For a command: its connections are closed at the end."""
    engine = make_engine(url, pool_size=pool_size)
    try:
        yield Database(engine)
    finally:
        engine.dispose()


@event.listens_for(TenantSession, "after_begin")
def arm_row_level_security(session: TenantSession, _transaction: SessionTransaction, connection: Connection) -> None:
    if session.all_agencies:
        scope = ALL_AGENCIES
    elif session.agency_id is not None:
        scope = str(session.agency_id)
    else:
        return
    limit = SUSPENDED_SECONDS if isinstance(session.get_bind(), Engine) else 0
    asked = machine_time()
    database_time = connection.execute(_BEGIN, {"scope": scope, "limit": f"{limit}s"}).one()[2]
    follow(database_time, asked=asked, answered=machine_time())
