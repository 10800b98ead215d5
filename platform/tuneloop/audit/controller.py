"""HTTP: the audit log."""

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from tuneloop.audit.schemas import AuditRead
from tuneloop.audit.service import events
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role


class AuditController(Controller):
    path = "/api/v1/audit"
    tags = ("audit",)

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def index(
        self,
        session: NamedDependency[TenantSession],
        subject_kind: FromQuery[str | None] = None,
        subject_id: FromQuery[str | None] = None,
        limit: FromQuery[int] = 100,
    ) -> list[AuditRead]:
        """Newest events first."""
        found = events(session, subject_kind=subject_kind, subject_id=subject_id, limit=max(1, min(limit, 1000)))
        return [AuditRead.model_validate(event) for event in found]
