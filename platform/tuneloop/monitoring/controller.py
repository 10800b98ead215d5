"""HTTP: readings, and labelling a random sample of the traffic."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from pydantic import BaseModel, ConfigDict, Field

from tuneloop.identity.principal import Principal
from tuneloop.jobs.controller import JobRead, find_job
from tuneloop.kit.errors import Conflict
from tuneloop.kit.jobs import Job, enqueue
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.jobs import ReadMonitor, RunCanary
from tuneloop.monitoring.service import readings_of
from tuneloop.registry.service import find_model
from tuneloop.review.service import draw_sample, label
from tuneloop.tables import RegisteredModel, Role


class ReadingRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    at: datetime
    stream: str
    n: int
    value: float | None
    statistic: float | None
    threshold: float | None
    p_value: float | None
    alarm: bool
    detail: dict[str, Any]


class SampleItem(BaseModel):
    """An answer to label. What the model said is left out: a labeller who sees it agrees too often."""

    prediction_id: UUID
    at: datetime
    messages: list[dict[str, Any]]


class LabelCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"prediction_id": "01920000-0000-7000-8000-000000000000", "expected": "refund_status"}]
        },
    )

    prediction_id: UUID
    expected: str = Field(min_length=1, max_length=20_000)
    category: str | None = Field(default=None, max_length=120)


class Labelled(BaseModel):
    example_id: UUID


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
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
    ) -> JobRead:
        """Take a reading now instead of at the next scheduled time."""
        found = find_model(session, client=client, model=model)
        return _start(session, principal, found, ReadMonitor(model_id=found.id), "a reading of this model is under way")

    @post("/models/{client:str}/{model:str}/canary", role=Role.OPERATOR, sync_to_thread=True)
    def canary_now(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
    ) -> JobRead:
        """Let production answer its golden set again now."""
        found = find_model(session, client=client, model=model)
        return _start(session, principal, found, RunCanary(model_id=found.id), "this model's canary is under way")

    @get("/models/{client:str}/{model:str}/sample", role=Role.OPERATOR, sync_to_thread=True)
    def sample(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        size: FromQuery[int] = 50,
    ) -> list[SampleItem]:
        """Random unlabelled answers of the current period."""
        found = find_model(session, client=client, model=model)
        drawn = draw_sample(session, model=found, size=max(1, min(size, 500)))
        return [SampleItem(prediction_id=row.id, at=row.at, messages=row.messages) for row in drawn]

    @post("/models/{client:str}/{model:str}/labels", role=Role.OPERATOR, sync_to_thread=True)
    def label(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[LabelCreate],
    ) -> Labelled:
        """Label a sampled answer."""
        example = label(
            session,
            principal=principal,
            model=find_model(session, client=client, model=model),
            prediction_id=data.prediction_id,
            expected=data.expected,
            category=data.category,
        )
        return Labelled(example_id=example.id)


def _start(session: TenantSession, principal: Principal, model: RegisteredModel, job: Job, under_way: str) -> JobRead:
    job_id = enqueue(
        session,
        job,
        agency_id=principal.agency_id,
        client_id=model.client_id,
        dedupe_key=f"{job.name}:{model.id}",
    )
    if job_id is None:
        raise Conflict(under_way)
    return JobRead.model_validate(find_job(session, job_id))
