"""The second wall alone: a plain SQLAlchemy session of the application's role, which knows nothing of tenants."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import Engine, delete, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import Session
from sqlmodel import col

from tests.support.committed import Committed
from tests.support.worlds import Place
from tuneloop.kit.db import make_engine
from tuneloop.kit.ids import new_id
from tuneloop.kit.tenancy import Row, TenantSession, confine_statement, confine_writes, tenant_tables
from tuneloop.tables import (
    AdapterVersion,
    Agency,
    AlertEvent,
    ApprovalVote,
    AuditEvent,
    Client,
    Comparison,
    DisagreementRun,
    EvalAnswer,
    EvalRun,
    Example,
    GateLook,
    Reading,
    ReportSnapshot,
    Snapshot,
    SnapshotItem,
)
from tuneloop_local.engines import EngineUrls

pytestmark = pytest.mark.failure_case(18)

TABLES = pytest.mark.parametrize("table", tenant_tables(), ids=lambda table: str(table.__tablename__))
APPEND_ONLY = (
    AdapterVersion,
    AlertEvent,
    ApprovalVote,
    AuditEvent,
    Comparison,
    DisagreementRun,
    EvalAnswer,
    EvalRun,
    GateLook,
    Reading,
    ReportSnapshot,
    Snapshot,
    SnapshotItem,
)
CHANGEABLE = [table for table in tenant_tables() if table not in APPEND_ONLY]


@contextmanager
def plain(place: Place, agency_id: UUID | str) -> Iterator[Session]:
    with Session(place.connection, join_transaction_mode="create_savepoint") as session:
        session.execute(text("select set_config('app.agency_id', :id, true)"), {"id": str(agency_id)})
        yield session
        session.rollback()


@TABLES
def test_only_the_agency_s_rows_are_visible(as_application: Place, table: type[Row]) -> None:
    acme, beta, globex = as_application.worlds
    with plain(as_application, acme.agency.id) as session:
        assert set(session.scalars(select(col(table.id)))) == {acme.row(table).id, beta.row(table).id}
    with plain(as_application, globex.agency.id) as session:
        assert set(session.scalars(select(col(table.id)))) == {globex.row(table).id}


@TABLES
def test_a_row_of_another_agency_cannot_be_inserted(as_application: Place, table: type[Row]) -> None:
    acme, _, globex = as_application.worlds
    stolen = table(**(globex.row(table).model_dump() | {"id": new_id()}))
    with plain(as_application, acme.agency.id) as session:
        session.add(stolen)
        with pytest.raises(ProgrammingError, match="row-level security"):
            session.flush()


@TABLES
def test_a_bulk_insert_for_another_agency_is_refused(as_application: Place, table: type[Row]) -> None:
    """INSERT statements pass the first wall, which has no rows to filter; the second refuses them."""
    acme, _, globex = as_application.worlds
    values = globex.row(table).model_dump() | {"id": new_id()}
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        as_application.database.unit(acme.agency.id) as session,
    ):
        session.execute(insert(table), [values])


@pytest.mark.parametrize("table", CHANGEABLE, ids=lambda table: str(table.__tablename__))
def test_a_row_of_another_agency_cannot_be_changed_or_deleted(as_application: Place, table: type[Row]) -> None:
    acme, beta, globex = as_application.worlds
    with plain(as_application, acme.agency.id) as session:
        changed = session.execute(update(table).values(id=col(table.id)).returning(col(table.id))).scalars().all()
        assert set(changed) == {acme.row(table).id, beta.row(table).id}
        gone = delete(table).where(col(table.id) == globex.row(table).id).returning(col(table.id))
        assert session.execute(gone).all() == []


@pytest.mark.parametrize("table", [table for table in CHANGEABLE if table.tenant_key == "agency_id"])
def test_a_row_cannot_be_moved_to_another_agency(as_application: Place, table: type[Row]) -> None:
    acme, _, globex = as_application.worlds
    with (
        plain(as_application, acme.agency.id) as session,
        pytest.raises(ProgrammingError, match="row-level security"),
    ):
        session.execute(update(table).where(col(table.id) == acme.row(table).id).values(agency_id=globex.agency.id))


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: str(table.__tablename__))
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_immutable_rows_cannot_be_changed_even_by_their_owner(
    as_application: Place, table: type[Row], verb: str
) -> None:
    statement = update(table).values(id=col(table.id)) if verb == "update" else delete(table)
    with (
        plain(as_application, as_application.worlds.acme.agency.id) as session,
        pytest.raises(ProgrammingError, match="permission denied"),
    ):
        session.execute(statement)


@TABLES
def test_an_unset_agency_raises(as_application: Place, table: type[Row]) -> None:
    with plain(as_application, "") as session, pytest.raises(DBAPIError, match="uuid"):
        session.execute(select(col(table.id))).all()


def test_a_setting_never_made_raises(committed: Committed, urls: EngineUrls) -> None:
    engine = make_engine(urls.database, pool_size=1)
    with engine.connect() as fresh, pytest.raises(ProgrammingError, match=r"app\.agency_id"):
        fresh.execute(select(col(Agency.id))).all()
    engine.dispose()


def test_the_setting_ends_with_its_transaction(committed: Committed, engine: Engine) -> None:
    with engine.connect() as connection:
        with connection.begin():
            connection.execute(text("select set_config('app.agency_id', :id, true)"), {"id": str(committed.agency.id)})
            assert connection.scalars(select(col(Agency.id))).all() == [committed.agency.id]
        with pytest.raises(DBAPIError), connection.begin():
            connection.execute(select(col(Agency.id))).all()


def test_every_tenant_table_is_forced_behind_the_wall(as_application: Place) -> None:
    walls = text("select relname from pg_class where relrowsecurity and relforcerowsecurity")
    forced = set(as_application.connection.scalars(walls))
    assert forced == {str(table.__tablename__) for table in tenant_tables()}


def test_the_application_s_role_owns_nothing_and_cannot_step_over_the_wall(as_application: Place) -> None:
    role = as_application.connection.execute(
        text("select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user")
    ).one()
    owned = as_application.connection.scalar(
        text("select count(*) from pg_class where relowner = (select oid from pg_roles where rolname = current_user)")
    )
    assert tuple(role) == (False, False, False, False)
    assert owned == 0


def test_the_second_wall_holds_when_the_first_is_removed(as_application: Place) -> None:
    acme, beta, globex = as_application.worlds
    event.remove(TenantSession, "do_orm_execute", confine_statement)
    event.remove(TenantSession, "before_flush", confine_writes)
    try:
        with as_application.database.unit(acme.agency.id) as session:
            assert set(session.scalars(select(col(Example.id)))) == {acme.row(Example).id, beta.row(Example).id}
            assert session.get(Example, globex.row(Example).id) is None
            assert set(session.scalars(text("select id from client"))) == {acme.client.id, beta.client.id}
        with (
            pytest.raises(ProgrammingError, match="row-level security"),
            as_application.database.unit(acme.agency.id) as session,
        ):
            session.add(Client(agency_id=globex.agency.id, slug="x", name="X"))
    finally:
        event.listen(TenantSession, "do_orm_execute", confine_statement)
        event.listen(TenantSession, "before_flush", confine_writes)


def test_every_wall_is_up_again() -> None:
    assert event.contains(TenantSession, "do_orm_execute", confine_statement)
    assert event.contains(TenantSession, "before_flush", confine_writes)
