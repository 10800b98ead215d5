"""Finding the rows that hold a text, and those that belong to them. Reads only, confined to the request's agency."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, and_, func, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Text
from sqlmodel import SQLModel

from tuneloop.erasure.patterns import Pattern, copies_of, pattern_of
from tuneloop.erasure.places import Place, places
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Erasure, ErasureKind, Example, Prediction, ReviewItem

AT_ONCE: Final = 500
FEWEST_OF_AN_ID: Final = 8

Found = dict[str, set[UUID]]
"""Ids by table."""

ROOTS: Final = frozenset({str(table.__tablename__) for table in (Prediction, Example, ReviewItem)})


def records() -> frozenset[str]:
    """Tables whose rows are one person's words, or hang on such a row: they are erased as a whole."""
    hanging = {
        place.name
        for place in places()
        if any(key.column.table.name in ROOTS for key in place.table.foreign_keys) and place.name not in ROOTS
    }
    return ROOTS | hanging


def seeds(session: TenantSession, request: Erasure) -> Found:
    """Rows that the target names by themselves."""
    target = request.target or ""
    found: Found = defaultdict(set)
    if request.kind is ErasureKind.ANSWER:
        answers = _table("prediction")
        query = select(answers.c.id).where(_mine(answers, request), answers.c.id == UUID(target))
        return {"prediction": set(_scalars(session, query))}
    if request.kind is ErasureKind.END_USER:
        for name, column in (("prediction", "end_user"), ("feedback", "reporter")):
            table = _table(name)
            query = select(table.c.id).where(_mine(table, request), table.c[column] == target)
            found[name] |= set(_scalars(session, query))
    for place, ids in holding(session, request, patterns_of(request)).items():
        found[place] |= ids
    return found


def patterns_of(request: Erasure) -> list[Pattern]:
    """What the target itself looks like; none where it is an answer's id."""
    target = request.target
    if request.kind is ErasureKind.ANSWER or target is None:
        return []
    # A short id of a person is only looked for where ids of people are.
    return [pattern_of(target)] if request.kind is ErasureKind.TEXT or len(target) >= FEWEST_OF_AN_ID else []


def holding(
    session: TenantSession, request: Erasure, patterns: Sequence[Pattern], *, without: frozenset[str] = frozenset()
) -> Found:
    """Rows that hold one of the patterns, by table."""
    found: Found = defaultdict(set)
    for place in places():
        if place.name in without:
            continue
        for pattern in patterns:
            query = select(place.table.c.id).where(_mine(place.table, request), _matches(place, pattern))
            found[place.name] |= set(_scalars(session, query))
    return {name: ids for name, ids in found.items() if ids}


def belonging(session: TenantSession, request: Erasure, found: Mapping[str, Iterable[UUID]]) -> Found:
    """The found records with all that hang on the same answer, item or example, however many steps away."""
    known: Found = defaultdict(set)
    fresh: Found = {name: set(ids) for name, ids in found.items() if name in records()}
    while any(fresh.values()):
        for name, ids in fresh.items():
            known[name] |= ids
        reached: Found = defaultdict(set)
        for child, column, parent in _links():
            for some in _batches(fresh.get(parent.name, ())):
                query = select(child.c.id).where(_mine(child, request), child.c[column].in_(some))
                reached[child.name] |= set(_scalars(session, query))
            for some in _batches(fresh.get(child.name, ())):
                query = select(child.c[column]).where(child.c.id.in_(some), child.c[column].is_not(None))
                reached[parent.name] |= set(_scalars(session, query))
        fresh = {str(name): ids - known[str(name)] for name, ids in reached.items()}
    return {name: ids for name, ids in known.items() if ids}


def copies(session: TenantSession, found: Mapping[str, Iterable[UUID]], kept: Iterable[str]) -> list[Pattern]:
    """Patterns of what these records say: mails, reports, logs and jobs may quote it."""
    told: set[str] = set()
    for place in places():
        if place.name not in records():
            continue
        columns = [place.table.c[name] for name in place.columns]
        for ids in _batches(found.get(place.name, ())):
            for row in session.connection().execute(select(*columns).where(place.table.c.id.in_(ids))):
                for value in row:
                    told.update(_strings(value))
    return copies_of(sorted(told - {*kept}))


def labels_of(session: TenantSession, request: Erasure) -> list[str]:
    """Labels of the models in question: they are no person's words, and figures rest on them."""
    table = _table("registered_model")
    contracts = _scalars(session, select(table.c.contract).where(_mine(table, request)))
    return sorted({label for contract in contracts for label in contract.get("labels", ())})


class Link(NamedTuple):
    """Rows of `child` name one of `parent` in `column`."""

    child: Table
    column: str
    parent: Table


def _links() -> list[Link]:
    return [
        Link(place.table, key.parent.name, key.column.table)
        for place in places()
        if place.name in records()
        for key in place.table.foreign_keys
        if key.column.table.name in ROOTS
    ]


def _matches(place: Place, pattern: Pattern) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = []
    for name in place.columns:
        column = place.table.c[name]
        if isinstance(column.type, JSONB):
            loose = sql_cast(column, Text).regexp_match(pattern.loose, flags="i")
            conditions.append(and_(loose, func.json_has(column, pattern.exact)))
        else:
            conditions.append(column.regexp_match(pattern.exact, flags="i"))
    return or_(*conditions)


def _mine(table: Table, request: Erasure) -> ColumnElement[bool]:
    """Of the request's client, where it names one; what belongs to no client is looked through too."""
    mine = table.c.agency_id == request.agency_id
    if request.client_id is None or "client_id" not in table.c:
        return mine
    return and_(mine, or_(table.c.client_id == request.client_id, table.c.client_id.is_(None)))


def _table(name: str) -> Table:
    return SQLModel.metadata.tables[name]


def _scalars(session: TenantSession, query: Select[Any]) -> list[Any]:
    """On the connection: row-level security confines it, and the query names the agency itself."""
    return list(session.connection().execute(query).scalars())


def _batches(ids: Iterable[UUID]) -> Iterator[tuple[UUID, ...]]:
    rest = iter(sorted(ids))
    while batch := tuple(islice(rest, AT_ONCE)):
        yield batch


def _strings(value: object) -> Iterator[str]:
    """Every text in a column's value, by itself."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, Sequence):
        for each in value:
            yield from _strings(each)
