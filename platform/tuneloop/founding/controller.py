"""HTTP: what is left to set up."""

from litestar import Controller, get
from litestar.di import NamedDependency

from tuneloop.founding.checklist import checklist
from tuneloop.founding.schemas import StepRead
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role


class ChecklistController(Controller):
    path = "/api/v1/checklist"
    tags = ("agency",)

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> list[StepRead]:
        """What is left until a model is in production and connected, and what may follow."""
        return [
            StepRead.model_validate(each)
            for each in checklist(session, person_id=principal.person_id)
            if principal.may(each.role)
        ]
