"""A whole client: its rows are deleted. Invoices and usage stay, as tax law asks, without text of people."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, delete, func, select, update
from sqlmodel import SQLModel, col

from tuneloop.erasure.erase import Erased
from tuneloop.erasure.functions import delete_client_rows, erase_columns
from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import AdapterVersion, ApiKey, Candidate, Client, Erasure, Membership, ReportFile

BY_LAW: Final = frozenset({"invoice", "usage_record", "month_close", "service_use", "subscription"})
RECORD: Final = frozenset({"audit_event", "erasure"})
"""What was done stays, without what was said: the details of audit events go."""
BY_CHOICE: Final = {
    "versions": frozenset({"registered_model", "adapter_version", "snapshot"}),
    "reports": frozenset({"report", "report_snapshot", "report_file"}),
}


def deleted_tables(request: Erasure) -> list[Table]:
    """Those whose rows of the client go, children before parents."""
    kept = BY_LAW | RECORD | frozenset[str]().union(*(BY_CHOICE[name] for name in request.keep))
    tables = reversed(SQLModel.metadata.sorted_tables)
    return [table for table in tables if {"agency_id", "client_id"} <= set(table.c.keys()) and table.name not in kept]


def count_client(session: TenantSession, request: Erasure) -> Erased:
    counts = {}
    for table in deleted_tables(request):
        query = select(func.count()).select_from(table).where(table.c.client_id == request.client_id)
        counts[table.name] = session.connection().execute(query).scalar_one()
    return Erased({str(name): n for name, n in counts.items() if n}, [], [], [])


def erase_client(session: TenantSession, request: Erasure) -> Erased:
    """Delete it, end its keys and its people's access, and name the files that are needed no more."""
    assert request.client_id is not None
    client_id, files = request.client_id, _files(session, request)
    session.execute(update(ApiKey).where(col(ApiKey.scope_client_id) == client_id).values(revoked_at=now()))
    session.execute(delete(Membership).where(col(Membership.member_client_id) == client_id))
    counts: dict[str, int] = {}
    for table in deleted_tables(request):
        if n := delete_client_rows(session, request, table.name):
            counts[str(table.name)] = n
    _erase_details(session, request, client_id)
    short = client_id.hex[-8:]
    session.execute(
        update(Client)
        .where(col(Client.id) == client_id)
        .values(slug=f"erased-{short}", name=f"Erased client {short}", contacts=[], erased_at=now())
    )
    return Erased(counts, [], files, [])


def _erase_details(session: TenantSession, request: Erasure, client_id: UUID) -> None:
    """Of audit events; notes and reasons of what is kept for invoices."""
    for name, columns in (("audit_event", ["detail"]), ("month_close", ["problem"]), ("service_use", ["reason"])):
        table = SQLModel.metadata.tables[name]
        query = select(table.c.id).where(table.c.client_id == client_id)
        ids = list(session.connection().execute(query).scalars())
        erase_columns(session, request, name, ids, columns)


def _files(session: TenantSession, request: Erasure) -> list[str]:
    """Digests of what the client's rows name in the object store."""
    digests: set[str] = set()
    if "reports" not in request.keep:
        files = select(col(ReportFile.sha256)).where(col(ReportFile.client_id) == request.client_id)
        digests |= set(session.scalars(files))
    if "versions" not in request.keep:
        for version in session.scalars(
            select(AdapterVersion).where(col(AdapterVersion.client_id) == request.client_id)
        ):
            digests |= {version.digest, *_named(version.files), *_named(version.parts)}
        for candidate in session.scalars(select(Candidate).where(col(Candidate.client_id) == request.client_id)):
            digests |= set(_named(candidate.parts))
    return sorted(digests)


def _named(entries: list[dict[str, Any]]) -> list[str]:
    return [str(value) for each in entries for key, value in each.items() if key.endswith("sha256")]
