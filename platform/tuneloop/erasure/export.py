"""A client's or a person's data as a ZIP of JSON lines, a file for each table, with a manifest; made as it is read."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from typing import IO, Any, Final, NamedTuple, cast
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

import orjson
from sqlalchemy import Column, Select, Table, select
from sqlmodel import SQLModel

from tuneloop.audit.service import record
from tuneloop.clients.service import find_client
from tuneloop.erasure.search import belonging, holding, patterns_of, records, seeds
from tuneloop.erasure.service import checked_target, hash_of
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Erasure, ErasureKind, Role

ROWS_AT_ONCE: Final = 500
SECRET: Final = frozenset(
    {
        "bot_token",
        "dkim_key",
        "key_hash",
        "minhash",
        "password_hash",
        "refresh_token",
        "sealed_key",
        "token_hash",
        "unsubscribe_token",
    }
)
"""Columns that open something, or that only machines read."""
NO_DATA_OF_THE_CLIENT: Final = frozenset({"job", "one_time_link", "slack_message", "stripe_link", "erasure"})


class Exported(NamedTuple):
    """`name` of the file, and its bytes."""

    name: str
    chunks: Iterator[bytes]


class Part(NamedTuple):
    """One file of the archive: the rows of a table that a query finds."""

    table: Table
    queries: list[Select[*tuple[Any, ...]]]


def export_data(
    session: TenantSession,
    *,
    principal: Principal,
    kind: ErasureKind,
    target: str | None = None,
    client: str | None = None,
) -> Exported:
    """What an erasure of the same kind would find, as it is; of a whole client all that is the client's.

    Raises:
        InvalidInput, NotFound: as `request_erasure`.
    """
    principal.require(Role.ADMIN)
    owner = find_client(session, client) if client else None
    if kind is ErasureKind.CLIENT and (owner is None or target):
        raise InvalidInput("name the client, and no target: all of it is exported", param="client")
    looked_for = checked_target(session, kind, str(owner.id) if owner and not target else target or "", owner)
    request = Erasure(
        agency_id=principal.agency_id,
        client_id=owner.id if owner else principal.client_id,
        kind=kind,
        target=looked_for,
        target_hash="",
        reason="export",
        requested_by=principal.name,
    )
    parts = _of_client(request) if kind is ErasureKind.CLIENT else _of_person(session, request)
    record(
        session,
        principal,
        "data.export",
        "client" if owner else "agency",
        owner.id if owner else principal.agency_id,
        client_id=request.client_id,
        kind=kind,
        target_sha256=hash_of(request.id, looked_for),
    )
    manifest: dict[str, object] = {
        "export": str(request.id),
        "made_at": now().isoformat(),
        "kind": str(kind),
        "client": owner.slug if owner else None,
        "target_sha256": hash_of(request.id, looked_for),
    }
    return Exported(f"{owner.slug if owner else 'person'}-data.zip", _archive(session, parts, manifest))


def _of_client(request: Erasure) -> list[Part]:
    return [
        Part(table, [select(*_columns(table)).where(table.c.client_id == request.client_id)])
        for table in SQLModel.metadata.sorted_tables
        if {"agency_id", "client_id"} <= set(table.c.keys()) and table.name not in NO_DATA_OF_THE_CLIENT
    ]


def _of_person(session: TenantSession, request: Erasure) -> list[Part]:
    """Records as a whole; of other tables the rows that name the person."""
    found = belonging(session, request, seeds(session, request))
    others = holding(session, request, patterns_of(request), without=records() | NO_DATA_OF_THE_CLIENT)
    parts = []
    for name, ids in sorted({**found, **others}.items()):
        table = SQLModel.metadata.tables[name]
        parts.append(Part(table, [select(*_columns(table)).where(table.c.id.in_(some)) for some in _chunks(ids)]))
    return parts


def _columns(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.name not in SECRET]


def _chunks(ids: Iterable[UUID]) -> Iterator[list[UUID]]:
    rest = iter(sorted(ids))
    while chunk := list(islice(rest, ROWS_AT_ONCE)):
        yield chunk


class _Sink:
    """A file that can only be written to and emptied."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def taken(self) -> bytes:
        data = bytes(self._waiting)
        self._waiting.clear()
        return data


def _archive(session: TenantSession, parts: list[Part], manifest: dict[str, object]) -> Iterator[bytes]:
    sink = _Sink()
    files: dict[str, object] = {}
    # Without seeking, ZipFile needs no more of a file than to be written to.
    with ZipFile(cast("IO[bytes]", sink), "w", ZIP_DEFLATED) as archive:
        for table, queries in parts:
            name, digest, n = f"{table.name}.jsonl", sha256(), 0
            with archive.open(name, "w", force_zip64=True) as file:
                for line in _lines(session, queries):
                    file.write(line)
                    digest.update(line)
                    n += 1
                    if chunk := sink.taken():
                        yield chunk
            files[name] = {"rows": n, "sha256": digest.hexdigest()}
        archive.writestr("manifest.json", orjson.dumps(manifest | {"files": files}, option=orjson.OPT_INDENT_2))
    yield sink.taken()


def _lines(session: TenantSession, queries: list[Select[*tuple[Any, ...]]]) -> Iterator[bytes]:
    for query in queries:
        rows = session.connection().execute(query.execution_options(yield_per=ROWS_AT_ONCE))
        for row in rows.mappings():
            yield orjson.dumps(dict(row), default=_plain, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
