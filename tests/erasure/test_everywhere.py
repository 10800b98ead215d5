"""A marker that is planted wherever text can be is nowhere after it was erased, tables of tomorrow included."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, Enum, text
from sqlmodel import SQLModel

from tests.erasure.conftest import Stage
from tuneloop.erasure.places import KEPT, STAFF, STRUCTURE
from tuneloop.tables import ErasureKind, ErasureState

MARKER = "Zebrafink Ottokar 4711"
SENTENCE = f'I said "{MARKER}"\nand nothing else, dear people'
COLUMNS = text(
    "select table_name, column_name, data_type from information_schema.columns "
    "where table_schema = 'public' and data_type in ('text', 'character varying', 'jsonb') "
    "and table_name in (select table_name from information_schema.columns where column_name = 'agency_id')"
)
EVERYTHING = text(
    "select columns.table_name, column_name from information_schema.columns "
    "join information_schema.tables using (table_schema, table_name) "
    "where table_schema = 'public' and table_type = 'BASE TABLE'"
)
MESSAGES = "jsonb_build_array(jsonb_build_object('role', 'user', 'content', cast(:said as text)))"
ADDED = """case jsonb_typeof("{0}")
when 'array' then "{0}" || jsonb_build_array(jsonb_build_object('note', cast(:said as text)))
else coalesce("{0}", '{{}}') || jsonb_build_object('note', jsonb_build_array(cast(:said as text))) end"""


def takes_text(table: str, column: str) -> bool:
    if table in KEPT or f"{table}.{column}" in KEPT or column in STRUCTURE | STAFF | KEPT.keys():
        return False
    described = SQLModel.metadata.tables[table].c[column]
    return not isinstance(described.type, Enum) and not described.foreign_keys


def plant(stage: Stage) -> list[str]:
    """Into every column that may hold text, of one client; returns which."""
    planted = []
    ids = {"client": stage.world.client.id, "agency": stage.world.agency.id}
    for table, column, kind in stage.owner.execute(COLUMNS).all():
        if not takes_text(table, column):
            continue
        value = "cast(:said as text) || ' ' || id"
        if kind == "jsonb":
            value = MESSAGES if column == "messages" else ADDED.format(column)
        where = "client_id = :client" if has_client(stage.owner, table) else "agency_id = :agency"
        statement = text(f'update "{table}" set "{column}" = {value} where {where}')
        if stage.owner.execute(statement, {"said": SENTENCE, **ids}).rowcount:
            planted.append(f"{table}.{column}")
    return planted


def has_client(owner: Connection, table: str) -> bool:
    query = text("select count(*) from information_schema.columns where table_name = :t and column_name = 'client_id'")
    return bool(owner.execute(query, {"t": table}).scalar_one())


def found_in(owner: Connection, marker: str) -> list[str]:
    """Columns of any table, of any type, that hold it."""
    found = []
    for table, column in owner.execute(EVERYTHING).all():
        query = text(f'select count(*) from "{table}" where cast("{column}" as text) like :like')
        if owner.execute(query, {"like": f"%{marker}%"}).scalar_one():
            found.append(f"{table}.{column}")
    return found


@pytest.mark.parametrize("target", [MARKER, "zebrafink   OTTOKAR\n4711"])
def test_what_is_planted_everywhere_is_nowhere_afterwards(stage: Stage, tmp_path: Path, target: str) -> None:
    planted = plant(stage)
    assert len(planted) > 60
    assert set(planted) <= set(found_in(stage.owner, MARKER))
    pdf = stage.storage.put_bytes(f"%PDF {MARKER}".encode())
    stage.owner.execute(
        text("update report_file set sha256 = :sha where client_id = :client"),
        {"sha": pdf, "client": stage.world.client.id},
    )
    preview = stage.preview(ErasureKind.TEXT, target)
    assert preview.state is ErasureState.READY
    done = stage.confirm(preview.id)
    assert done.state is ErasureState.DONE
    assert found_in(stage.owner, MARKER) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file() and MARKER.encode() in path.read_bytes()] == []
    assert {name: done.erased[name] for name in preview.found} == preview.found


def test_erasing_again_finds_nothing(stage: Stage) -> None:
    plant(stage)
    stage.erase(ErasureKind.TEXT, MARKER)
    assert stage.preview(ErasureKind.TEXT, MARKER).found == {}
