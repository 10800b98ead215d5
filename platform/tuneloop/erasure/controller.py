"""HTTP: erasures."""

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK

from tuneloop.erasure.export import Exported, export_data
from tuneloop.erasure.schemas import ErasureCreate, ErasureRead, ExportCreate
from tuneloop.erasure.service import cancel_erasure, confirm_erasure, find_erasure, list_erasures, request_erasure
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role


class ErasureController(Controller):
    path = "/api/v1/erasures"
    tags = ("erasure",)

    @post(role=Role.ADMIN, sync_to_thread=True)
    def request(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[ErasureCreate],
    ) -> ErasureRead:
        """Count what would go. Nothing is erased before it is confirmed."""
        made = request_erasure(
            session,
            principal=principal,
            kind=data.kind,
            target=data.target,
            client=data.client,
            reason=data.reason,
            keep=frozenset(data.keep),
        )
        return ErasureRead.of(made)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession]) -> list[ErasureRead]:
        """Requests and receipts, newest first."""
        return [ErasureRead.of(each) for each in list_erasures(session)]

    @get("/{erasure_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession], erasure_id: FromPath[UUID]) -> ErasureRead:
        """One request: the preview, and its receipt once it is done."""
        return ErasureRead.of(find_erasure(session, erasure_id))

    @post("/{erasure_id:uuid}/confirm", role=Role.ADMIN, sync_to_thread=True, status_code=HTTP_200_OK)
    def confirm(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        erasure_id: FromPath[UUID],
    ) -> ErasureRead:
        """Erase it for good. Sent twice, it is done once."""
        return ErasureRead.of(confirm_erasure(session, principal=principal, erasure_id=erasure_id))

    @post("/{erasure_id:uuid}/cancel", role=Role.ADMIN, sync_to_thread=True, status_code=HTTP_200_OK)
    def cancel(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        erasure_id: FromPath[UUID],
    ) -> ErasureRead:
        """Erase nothing, and forget what was looked for."""
        return ErasureRead.of(cancel_erasure(session, principal=principal, erasure_id=erasure_id))


class ExportController(Controller):
    path = "/api/v1/exports"
    tags = ("erasure",)

    @post(role=Role.ADMIN, sync_to_thread=True, status_code=HTTP_200_OK)
    def export(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[ExportCreate],
    ) -> Stream:
        """A client's or a person's data as a ZIP of JSON lines with a manifest."""
        return sent(export_data(session, principal=principal, kind=data.kind, target=data.target, client=data.client))


def sent(exported: Exported) -> Stream:
    """The archive is made before it is sent: however slowly it is taken, no transaction waits for it."""
    archive = TemporaryFile()  # noqa: SIM115  (closed by whoever reads it)
    for chunk in exported.chunks:
        archive.write(chunk)
    archive.seek(0)
    headers = {
        "Content-Disposition": f'attachment; filename="{exported.name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Stream(_read(archive), media_type="application/zip", headers=headers)


def _read(archive: IO[bytes]) -> Iterator[bytes]:
    with archive:
        while chunk := archive.read(1 << 16):
            yield chunk
