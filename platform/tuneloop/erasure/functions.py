"""The two functions of the database that alone may touch rows which never change; they ask for a confirmed request."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text

from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Erasure

_ERASE = text(
    "select erase_texts(cast(:request as uuid), :place, cast(:ids as uuid[]), cast(:columns as text[]), "
    "cast(:uniques as text[]), cast(:pattern as text), cast(:kept as text[]))"
)
_DELETE = text("select erase_client_rows(cast(:request as uuid), :place)")


def erase_columns(
    session: TenantSession,
    request: Erasure,
    place: str,
    ids: Iterable[UUID],
    columns: Sequence[str],
    *,
    uniques: Sequence[str] = (),
    pattern: str | None = None,
    kept: Sequence[str] = (),
) -> int:
    """Put `[erased]` in the place of texts that match, or of all but `kept` ones without a pattern; returns rows."""
    values = {
        "request": request.id,
        "place": place,
        "ids": sorted(ids),
        "columns": list(columns),
        "uniques": list(uniques),
        "pattern": pattern,
        "kept": list(kept),
    }
    return int(session.connection().execute(_ERASE, values).scalar_one())


def delete_client_rows(session: TenantSession, request: Erasure, place: str) -> int:
    """Delete the rows of the request's client."""
    return int(session.connection().execute(_DELETE, {"request": request.id, "place": place}).scalar_one())
