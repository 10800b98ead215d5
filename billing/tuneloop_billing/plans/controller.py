"""HTTP: plans."""

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import MaintenancePlan, Role
from tuneloop_billing.plans.schemas import PlanCreate, PlanPatch, PlanRead
from tuneloop_billing.plans.service import archive_plan, change_plan, clients_on, create_plan, list_plans


def _read(session: TenantSession, *plans: MaintenancePlan) -> list[PlanRead]:
    counts = clients_on(session)
    return [PlanRead.model_validate(plan).model_copy(update={"clients": counts.get(plan.id, 0)}) for plan in plans]


class PlanController(Controller):
    path = "/api/v1/plans"
    tags = ("billing",)

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> list[PlanRead]:
        """What the agency sells, cheapest first. A key of one client sees the client's own plan."""
        return _read(session, *list_plans(session, client_id=principal.client_id))

    @post(role=Role.ADMIN, sync_to_thread=True)
    def create(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[PlanCreate],
    ) -> PlanRead:
        """Add a plan, from the template of its tier."""
        return _read(session, create_plan(session, principal=principal, **dict(data)))[0]

    @patch("/{plan:str}", role=Role.ADMIN, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        plan: FromPath[str],
        data: JSONBody[PlanPatch],
    ) -> PlanRead:
        """Change a plan: what it includes at once, its price from each client's next invoice on."""
        return _read(session, change_plan(session, principal=principal, slug=plan, **dict(data)))[0]

    @delete("/{plan:str}", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def archive(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal], plan: FromPath[str]
    ) -> PlanRead:
        """Stop selling a plan that no client is on."""
        return _read(session, archive_plan(session, principal=principal, slug=plan))[0]
