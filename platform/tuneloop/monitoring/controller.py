"""HTTP: readings, and taking one now."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from tuneloop.kit.errors import Conflict
from tuneloop.kit.jobs import Job, enqueue_once
from tuneloop.kit.jobs.reading import JobRead, find_job
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.jobs import ReadMonitor, RunCanary
from tuneloop.monitoring.schemas import ReadingRead
from tuneloop.monitoring.service import readings_of
from tuneloop.registry.service import find_model
from tuneloop.tables import RegisteredModel, Role


class MonitoringController(Controller):
    path = "/api/v1"
    tags = ("monitoring",)

    @get("/models/{client:str}/{model:str}/readings", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def readings(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[ReadingRead]:
        """Readings of all streams, newest first."""
        found = find_model(session, client=client, model=model)
        return [ReadingRead.model_validate(row) for row in readings_of(session, found.id)]

    @post("/models/{client:str}/{model:str}/readings", role=Role.OPERATOR, sync_to_thread=True)
    def read_now(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
    ) -> JobRead:
        """Take a reading now instead of at the next scheduled time."""
        found = find_model(session, client=client, model=model)
        return _start(session, found, ReadMonitor(model_id=found.id), "a reading of this model is under way")

    @post("/models/{client:str}/{model:str}/canary", role=Role.OPERATOR, sync_to_thread=True)
    def canary_now(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
    ) -> JobRead:
        """Let production answer its golden set again now."""
        found = find_model(session, client=client, model=model)
        return _start(session, found, RunCanary(model_id=found.id), "this model's canary is under way")


def _start(session: TenantSession, model: RegisteredModel, job: Job, under_way: str) -> JobRead:
    job_id = enqueue_once(session, job, model.id, owner=model)
    if job_id is None:
        raise Conflict(under_way)
    return JobRead.model_validate(find_job(session, job_id))
