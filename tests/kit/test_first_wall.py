"""The first wall alone: these tests run as the schema's owner, whom row-level security does not stop."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Executable, Select, delete, func, insert, inspect, select, text, update
from sqlalchemy.orm import aliased
from sqlmodel import col

from tests.support.worlds import Place
from tuneloop.kit.tenancy import Row, TenancyError, TenantSession, tenant_tables
from tuneloop.tables import Agency, Client, Example, JobRow, RegisteredModel, ReportStyle

pytestmark = pytest.mark.failure_case(18)

TABLES = pytest.mark.parametrize("table", tenant_tables(), ids=lambda table: str(table.__tablename__))
CLIENT = Row.metadata.tables["client"]
CLIENT_TABLES = pytest.mark.parametrize(
    "table", [table for table in tenant_tables() if table.client_key], ids=lambda table: str(table.__tablename__)
)


def _ids(table: type[Row]) -> Select[Any]:
    return select(col(table.id))


def _entities(table: type[Row]) -> Select[Any]:
    return select(table)


def _alias(table: type[Row]) -> Select[Any]:
    return select(col(aliased(table).id))


def _subquery(table: type[Row]) -> Select[Any]:
    inner = select(col(table.id)).subquery()
    return select(inner.c.id).select_from(inner)


def _union(table: type[Row]) -> Select[Any]:
    return select(col(table.id)).where(col(table.id).in_(select(col(table.id))))


@TABLES
@pytest.mark.parametrize("query", [_ids, _entities, _alias, _subquery, _union])
def test_every_kind_of_select_sees_one_agency(
    second_wall_down: Place, table: type[Row], query: Callable[[type[Row]], Select[Any]]
) -> None:
    acme, beta, globex = second_wall_down.worlds
    with second_wall_down.database.unit(acme.agency.id) as session:
        found = {getattr(row, "id", row) for row in session.scalars(query(table))}
    assert found == {acme.row(table).id, beta.row(table).id}
    assert globex.row(table).id not in found


@TABLES
def test_get_by_id_finds_nothing_of_another_agency(second_wall_down: Place, table: type[Row]) -> None:
    acme, _, globex = second_wall_down.worlds
    with second_wall_down.database.unit(acme.agency.id) as session:
        assert session.get(table, acme.row(table).id) is not None
        assert session.get(table, globex.row(table).id) is None


@TABLES
def test_update_leaves_another_agency_alone(second_wall_down: Place, table: type[Row]) -> None:
    acme, beta, globex = second_wall_down.worlds
    with second_wall_down.database.unit(acme.agency.id) as session:
        changed = session.execute(update(table).values(id=col(table.id)).returning(col(table.id))).scalars().all()
        assert set(changed) == {acme.row(table).id, beta.row(table).id}
        theirs = update(table).where(col(table.id) == globex.row(table).id).values(id=col(table.id))
        assert session.execute(theirs.returning(col(table.id))).all() == []


@TABLES
def test_delete_leaves_another_agency_alone(second_wall_down: Place, table: type[Row]) -> None:
    acme, _, globex = second_wall_down.worlds
    with second_wall_down.database.unit(acme.agency.id) as session:
        gone = delete(table).where(col(table.id) == globex.row(table).id).returning(col(table.id))
        assert session.execute(gone).all() == []
    with second_wall_down.database.unit(globex.agency.id) as session:
        assert session.get(table, globex.row(table).id) is not None


def _add(session: TenantSession, row: Row) -> None:
    session.add(row)
    session.flush()


def test_what_clients_share_is_read_and_never_written_by_a_session_that_is_confined_to_one(
    second_wall_down: Place,
) -> None:
    acme = second_wall_down.worlds.acme
    database, agency = second_wall_down.database, acme.agency.id
    with database.unit(agency) as session:
        session.add(shared := ReportStyle(client_id=None, values={}))
    with database.unit(agency, client_id=acme.client.id) as session:
        assert set(session.scalars(_ids(ReportStyle))) == {acme.row(ReportStyle).id, shared.id}
        for change in (delete(ReportStyle), update(ReportStyle).values(values={})):
            changed = change.where(col(ReportStyle.id) == shared.id).returning(col(ReportStyle.id))
            assert session.execute(changed).all() == []
        session.get_one(ReportStyle, shared.id).values = {"brand": "Mine"}
        with pytest.raises(TenancyError, match="another client"):
            session.flush()
        session.rollback()
    with database.unit(agency) as session:
        session.delete(session.get_one(ReportStyle, shared.id))


def test_a_join_is_confined_on_both_sides(second_wall_down: Place) -> None:
    acme, _, globex = second_wall_down.worlds
    joined = select(col(Client.slug), col(RegisteredModel.slug)).join(
        RegisteredModel, col(RegisteredModel.client_id) == Client.id
    )
    with second_wall_down.database.unit(globex.agency.id) as session:
        assert session.execute(joined).all() == [("globex", "support")]
    with second_wall_down.database.unit(acme.agency.id) as session:
        assert {client for client, _ in session.execute(joined)} == {"acme", "beta"}


def test_a_count_counts_one_agency(second_wall_down: Place) -> None:
    globex = second_wall_down.worlds.globex
    with second_wall_down.database.unit(globex.agency.id) as session:
        assert session.scalar(select(func.count()).select_from(Example)) == 1


def test_no_table_has_a_relationship_that_could_load_around_the_wall() -> None:
    assert not [table for table in tenant_tables() if inspect(table).relationships]


@pytest.mark.parametrize(
    "statement",
    [
        text("select * from client"),
        select(CLIENT),
        select(func.count()),
        update(CLIENT).values(name="x"),
        delete(CLIENT),
        insert(CLIENT).values(name="x"),
    ],
)
def test_text_and_core_statements_are_refused(second_wall_down: Place, statement: Executable) -> None:
    with (
        second_wall_down.database.unit(second_wall_down.worlds.acme.agency.id) as session,
        pytest.raises(TenancyError, match="mapped classes"),
    ):
        session.execute(statement)


def test_a_session_without_an_agency_reads_nothing(second_wall_down: Place) -> None:
    with (
        TenantSession(second_wall_down.connection, join_transaction_mode="create_savepoint") as session,
        pytest.raises(TenancyError, match="no agency"),
    ):
        session.scalars(select(Client)).all()


def test_a_session_without_an_agency_writes_nothing(second_wall_down: Place) -> None:
    with (
        TenantSession(second_wall_down.connection, join_transaction_mode="create_savepoint") as session,
        pytest.raises(TenancyError, match="agency_id"),
    ):
        _add(session, Client(slug="x", name="X"))


def test_a_new_row_takes_the_session_s_agency(second_wall_down: Place) -> None:
    acme = second_wall_down.worlds.acme
    with second_wall_down.database.unit(acme.agency.id) as session:
        row = Client(slug="gamma", name="Gamma")
        session.add(row)
        session.flush()
        assert row.agency_id == acme.agency.id
        session.delete(row)


def test_a_row_of_another_agency_cannot_be_added(second_wall_down: Place) -> None:
    acme, _, globex = second_wall_down.worlds
    with (
        pytest.raises(TenancyError, match="another agency"),
        second_wall_down.database.unit(acme.agency.id) as session,
    ):
        session.add(Client(agency_id=globex.agency.id, slug="x", name="X"))


def test_a_row_cannot_be_moved_to_another_agency(second_wall_down: Place) -> None:
    acme, _, globex = second_wall_down.worlds
    with (
        pytest.raises(TenancyError, match="another agency"),
        second_wall_down.database.unit(acme.agency.id) as session,
    ):
        session.get_one(Client, acme.client.id).agency_id = globex.agency.id


def test_a_row_loaded_elsewhere_cannot_be_changed(second_wall_down: Place) -> None:
    acme, _, globex = second_wall_down.worlds
    with second_wall_down.database.unit(globex.agency.id) as session:
        theirs = session.get_one(JobRow, globex.row(JobRow).id)
    theirs.worker = "mine"
    with second_wall_down.database.unit(acme.agency.id) as session:
        with pytest.raises(TenancyError, match="another agency"):
            _add(session, theirs)
        session.expunge(theirs)


def test_a_row_loaded_elsewhere_cannot_be_deleted(second_wall_down: Place) -> None:
    acme, _, globex = second_wall_down.worlds
    with second_wall_down.database.unit(globex.agency.id) as session:
        theirs = session.get_one(JobRow, globex.row(JobRow).id)
    with (
        pytest.raises(TenancyError, match="another agency"),
        second_wall_down.database.unit(acme.agency.id) as session,
    ):
        session.delete(theirs)


@CLIENT_TABLES
def test_a_session_of_one_client_sees_that_client_only(second_wall_down: Place, table: type[Row]) -> None:
    acme, beta, _ = second_wall_down.worlds
    with second_wall_down.database.unit(acme.agency.id, client_id=acme.client.id) as session:
        assert set(session.scalars(select(col(table.id)))) == {acme.row(table).id}
        assert session.get(table, beta.row(table).id) is None
        changed = update(table).where(col(table.id) == beta.row(table).id).values(id=col(table.id))
        assert session.execute(changed.returning(col(table.id))).all() == []


def test_a_session_of_one_client_cannot_add_a_row_of_another(second_wall_down: Place) -> None:
    acme, beta, _ = second_wall_down.worlds
    with (
        pytest.raises(TenancyError, match="another client"),
        second_wall_down.database.unit(acme.agency.id, client_id=acme.client.id) as session,
    ):
        session.add(
            RegisteredModel(
                client_id=beta.client.id, slug="x", base_id=beta.model.base_id, contract=beta.model.contract
            )
        )


def test_every_table_with_an_agency_is_behind_the_wall() -> None:
    with_agency = {table.name for table in Row.metadata.tables.values() if "agency_id" in table.columns}
    assert with_agency | {"agency"} == {str(table.__tablename__) for table in tenant_tables()}


def test_crossing_is_explicit(second_wall_down: Place) -> None:
    with second_wall_down.database.all_agencies() as session:
        worlds = second_wall_down.worlds
        assert {agency.id for agency in session.scalars(select(Agency))} >= {
            worlds.acme.agency.id,
            worlds.globex.agency.id,
        }
        assert session.scalar(text("select count(*) from agency")) is not None
