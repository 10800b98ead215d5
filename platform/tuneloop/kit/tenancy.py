"""First wall between tenants: every ORM statement of a session is confined to the session's agency and client.

The second wall is PostgreSQL's row-level security, which `Database` arms with `app.agency_id` per transaction.
"""

from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, event, or_
from sqlalchemy.orm import LoaderCriteriaOption, ORMExecuteState, UOWTransaction, with_loader_criteria
from sqlmodel import Field, Session, SQLModel

from tuneloop.kit.ids import new_id

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Row(SQLModel):
    """Base of every table."""

    tenant_key: ClassVar[str | None] = None
    client_key: ClassVar[str | None] = None
    clients_share: ClassVar[bool] = False
    """Whether rows without a client are read, and never written, by sessions that are confined to one."""
    names_objects: ClassVar[bool] = True
    """Whether digests in it may be objects of the store. Tables of texts and numbers say no, so that they aren't read
    through for them."""
    names_objects_while: ClassVar[str] = "true"
    """In SQL, of which rows."""

    id: UUID = Field(default_factory=new_id, primary_key=True)


class Tenant(Row):
    """A row that belongs to an agency."""

    tenant_key: ClassVar[str | None] = "agency_id"

    agency_id: UUID = Field(default=None, foreign_key="agency.id", index=True, nullable=False)


class ClientOwned(Tenant):
    """A row that belongs to one client of an agency."""

    client_key: ClassVar[str | None] = "client_id"

    client_id: UUID = Field(foreign_key="client.id", nullable=False)


class TenancyError(RuntimeError):
    """A statement or a row would cross the wall between tenants."""


def tenant_tables() -> list[type[Row]]:
    """Every concrete table that is confined to an agency."""
    found: list[type[Row]] = []
    pending: list[type[Any]] = [Row]
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        if hasattr(cls, "__table__") and cls.tenant_key is not None:
            found.append(cls)
    return sorted(found, key=lambda cls: str(cls.__tablename__))


class TenantSession(Session):
    """A session that carries whom it works for: one agency, optionally one client of it, or all agencies."""

    agency_id: UUID | None = None
    client_id: UUID | None = None
    all_agencies: bool = False


@event.listens_for(TenantSession, "do_orm_execute")
def confine_statement(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, TenantSession)
    if session.all_agencies:
        return
    if session.agency_id is None:
        raise TenancyError("this session has no agency; open it with Database.unit(agency_id)")
    if not state.is_orm_statement:
        raise TenancyError("text and Core statements bypass the tenant filter; use mapped classes")
    if state.is_insert:
        return  # nothing to filter: `confine_writes` checks flushed rows, row-level security every row
    state.statement = state.statement.options(
        *_criteria(session.agency_id, session.client_id, state.is_select, len(SQLModel.metadata.tables))
    )


@lru_cache(maxsize=256)
def _criteria(agency_id: UUID, client_id: UUID | None, reads: bool, _tables: int) -> tuple[LoaderCriteriaOption, ...]:
    """What confines a statement to one agency, or to one client of it; building it costs more than most queries.

    A table that is declared later changes `_tables`, so that it is never left out.
    """
    limits = [(cls, getattr(cls, cls.tenant_key) == agency_id) for cls in tenant_tables() if cls.tenant_key]
    if client_id is not None:
        limits += [
            (cls, _of_client(cls, cls.client_key, client_id, reads)) for cls in tenant_tables() if cls.client_key
        ]
    return tuple(with_loader_criteria(cls, limit, include_aliases=True) for cls, limit in limits)


def _of_client(cls: type[Row], key: str, client_id: UUID, reads: bool) -> ColumnElement[bool]:
    column = getattr(cls, key)
    own: ColumnElement[bool] = column == client_id
    return or_(own, column.is_(None)) if reads and cls.clients_share else own


@event.listens_for(TenantSession, "before_flush")
def confine_writes(session: TenantSession, _context: UOWTransaction, _instances: object) -> None:
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, Tenant):
            continue
        if row.agency_id is None:
            if session.agency_id is None:
                raise TenancyError(f"{type(row).__name__} needs an agency_id")
            row.agency_id = session.agency_id
        elif not session.all_agencies and row.agency_id != session.agency_id:
            raise TenancyError(f"{type(row).__name__} belongs to another agency")
        if session.client_id is not None and row.client_key and getattr(row, row.client_key) != session.client_id:
            raise TenancyError(f"{type(row).__name__} belongs to another client")
