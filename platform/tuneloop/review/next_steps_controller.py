"""HTTP: do a step that a diagnosis names."""

from uuid import UUID

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.schemas import (
    StepCreate,
    StepTaken,
)
from tuneloop.review.next_steps import take_step
from tuneloop.tables import Role


class NextStepController(Controller):
    path = "/api/v1"
    tags = ("cycles",)

    @post("/cycles/{cycle_id:uuid}/steps", role=Role.OPERATOR, sync_to_thread=True)
    def take_next_step(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        cycle_id: FromPath[UUID],
        data: JSONBody[StepCreate],
    ) -> StepTaken:
        """Do a step that the newest diagnosis of a cycle names: propose another retrain, or ask for labels."""
        taken = take_step(session, principal=principal, cycle_id=cycle_id, key=data.step)
        made = taken.cycle.id if taken.cycle is not None else None
        return StepTaken(step=taken.step.key, done=taken.words, cycle=made, queued=taken.queued)
