"""HTTP: when a model is read, checked and retrained."""

from litestar import Controller, get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.model_health import tasks_of
from tuneloop.monitoring.schedules import change_schedule
from tuneloop.monitoring.schemas import ScheduleChange, UpcomingTask
from tuneloop.registry.service import find_model
from tuneloop.tables import Role


class ScheduleController(Controller):
    path = "/api/v1/models/{client:str}/{model:str}/schedules"
    tags = ("monitoring",)

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def index(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[UpcomingTask]:
        """What will happen automatically, the next first."""
        return tasks_of(session, find_model(session, client=client, model=model).id)

    @patch(role=Role.OPERATOR, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[ScheduleChange],
    ) -> list[UpcomingTask]:
        """Change one task's interval or next date, or pause it."""
        found = find_model(session, client=client, model=model)
        change_schedule(
            session,
            principal=principal,
            model=found,
            task=data.task,
            every_days=data.every_days,
            next_at=data.next_at,
            paused=data.paused,
            suggested_again=data.suggested,
        )
        session.flush()
        return tasks_of(session, found.id)
