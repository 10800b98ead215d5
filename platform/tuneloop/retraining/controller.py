"""HTTP: cycles and their decisions, eval runs, rollback."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from uuid import UUID

import orjson
from litestar import Controller, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import ServerSentEvent, ServerSentEventMessage

from tuneloop.evaluation.service import answers_of, describe_run, runs_of
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import contract_of, find_model, list_versions
from tuneloop.retraining.diagnosis.reading import read_attempts
from tuneloop.retraining.diagnosis.schemas import AttemptRead
from tuneloop.retraining.events import Moment, moment_of
from tuneloop.retraining.reading import read_cycle
from tuneloop.retraining.schemas import (
    CycleCreate,
    CycleRead,
    DecisionCreate,
    EvalAnswerRead,
    EvalRunRead,
    GateItemRead,
    GateRead,
    LookRead,
)
from tuneloop.retraining.service import (
    approve_promotion,
    approve_retrain,
    cancel,
    cycles_of,
    find_cycle,
    propose,
    reject,
)
from tuneloop.retraining.verdicts import GateState, gate_state, settled_items
from tuneloop.tables import EvalRun, ReviewItem, Role, Trigger

LOOK_SECONDS = 1.0
KEEP_ALIVE_LOOKS = 15


async def stream_moments(
    first: Moment, look: Callable[[], Moment], *, pause: float = LOOK_SECONDS
) -> AsyncGenerator[ServerSentEventMessage, None]:
    """Until nothing runs. Between changes a comment tells proxies that the connection lives."""
    moment, told, quiet = first, None, 0
    while True:
        if moment != told:
            told, quiet = moment, 0
            yield ServerSentEventMessage(event="moment", data=orjson.dumps(moment.row()).decode())
        elif (quiet := quiet + 1) % KEEP_ALIVE_LOOKS == 0:
            yield ServerSentEventMessage(comment="still here")
        if moment.over:
            yield ServerSentEventMessage(event="over", data=moment.state)
            return
        await asyncio.sleep(pause)
        moment = await asyncio.to_thread(look)


class CycleController(Controller):
    path = "/api/v1"
    tags = ("cycles",)

    @get("/models/{client:str}/{model:str}/cycles", role=Role.VIEWER, sync_to_thread=True)
    def index(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[CycleRead]:
        """Cycles of a model, newest first."""
        found = find_model(session, client=client, model=model)
        return [read_cycle(session, cycle) for cycle in cycles_of(session, found)]

    @post("/models/{client:str}/{model:str}/cycles", role=Role.OPERATOR, sync_to_thread=True)
    def propose_cycle(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[CycleCreate],
    ) -> CycleRead:
        """Freeze the data and the recipe of a retrain and ask for its approval; 409 if just this has failed already."""
        cycle = propose(
            session,
            principal=principal,
            model=find_model(session, client=client, model=model),
            recipe=data.recipe,
            trigger=Trigger.ALERT if data.alert_id else Trigger.MANUAL,
            alert_id=data.alert_id,
            again=data.again,
        )
        return read_cycle(session, cycle)

    @get("/cycles/{cycle_id:uuid}", role=Role.VIEWER, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession], cycle_id: FromPath[UUID]) -> CycleRead:
        """One cycle with its questions, comparison and verdict."""
        return read_cycle(session, find_cycle(session, cycle_id))

    @get("/cycles/{cycle_id:uuid}/attempts", role=Role.VIEWER, sync_to_thread=True)
    def attempts(self, session: NamedDependency[TenantSession], cycle_id: FromPath[UUID]) -> list[AttemptRead]:
        """The candidates that a cycle has tried: why each was turned down, and what could be done next."""
        return read_attempts(session, find_cycle(session, cycle_id))

    @get("/cycles/{cycle_id:uuid}/gate", role=Role.VIEWER, sync_to_thread=True)
    def gate(self, session: NamedDependency[TenantSession], cycle_id: FromPath[UUID]) -> GateRead:
        """What the gate asked, what people said, and what each of its looks found."""
        cycle = find_cycle(session, cycle_id)
        return _gate(gate_state(session, cycle), settled_items(session, cycle_id))

    @get("/cycles/{cycle_id:uuid}/events", role=Role.VIEWER)
    async def events(
        self, state: State, principal: NamedDependency[Principal], cycle_id: FromPath[UUID]
    ) -> ServerSentEvent:
        """Server-sent events: `moment` at every change of the cycle or its progress, `over` once nothing runs."""
        database = state.database
        assert isinstance(database, Database)

        def look() -> Moment:
            with database.unit(principal.agency_id, client_id=principal.client_id) as session:
                return moment_of(session, cycle_id)

        first = await asyncio.to_thread(look)
        return ServerSentEvent(stream_moments(first, look))

    @post("/cycles/{cycle_id:uuid}/approve", role=Role.OPERATOR, sync_to_thread=True)
    def approve(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        cycle_id: FromPath[UUID],
        data: JSONBody[DecisionCreate],
    ) -> CycleRead:
        """Approve the retrain whose plan has this digest."""
        cycle = approve_retrain(session, principal=principal, cycle_id=cycle_id, digest=data.digest, note=data.note)
        return read_cycle(session, cycle)

    @post("/cycles/{cycle_id:uuid}/promote", role=Role.OPERATOR, sync_to_thread=True)
    def promote(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        cycle_id: FromPath[UUID],
        data: JSONBody[DecisionCreate],
    ) -> CycleRead:
        """Put the candidate with this digest into production."""
        cycle = approve_promotion(session, principal=principal, cycle_id=cycle_id, digest=data.digest, note=data.note)
        return read_cycle(session, cycle)

    @post("/cycles/{cycle_id:uuid}/reject", role=Role.OPERATOR, sync_to_thread=True)
    def reject_cycle(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        cycle_id: FromPath[UUID],
        data: JSONBody[DecisionCreate],
    ) -> CycleRead:
        """Turn down what is being asked."""
        cycle = reject(session, principal=principal, cycle_id=cycle_id, digest=data.digest, note=data.note)
        return read_cycle(session, cycle)

    @post("/cycles/{cycle_id:uuid}/cancel", role=Role.OPERATOR, sync_to_thread=True)
    def cancel_cycle(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        cycle_id: FromPath[UUID],
    ) -> CycleRead:
        """Stop the step that runs."""
        return read_cycle(session, cancel(session, principal=principal, cycle_id=cycle_id))


class EvalController(Controller):
    path = "/api/v1"
    tags = ("evals",)

    @get("/models/{client:str}/{model:str}/evals", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def index(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[EvalRunRead]:
        """Eval runs of a model, newest first; every rate with n and interval."""
        found = find_model(session, client=client, model=model)
        numbers = {version.id: version.number for version in list_versions(session, found)}
        return [
            EvalRunRead(
                **run.model_dump(include={"id", "digest", "engine", "n", "reused", "seconds", "created_at"}),
                **describe_run(run, contract_of(found).groups),
                version=f"{client}/{model}@v{numbers[run.version_id]}",
            )
            for run in runs_of(session, found.id)
        ]

    @get("/evals/{run_id:uuid}/answers", role=Role.VIEWER, sync_to_thread=True)
    def answers(self, session: NamedDependency[TenantSession], run_id: FromPath[UUID]) -> list[EvalAnswerRead]:
        """Every item of an eval run."""
        run = session.get(EvalRun, run_id)
        if run is None:
            raise NotFound("eval run", run_id)
        return [EvalAnswerRead.model_validate(answer) for answer in answers_of(session, run)]


def _gate(state: GateState, items: list[ReviewItem]) -> GateRead:
    names = set(GateRead.model_fields) - {"looks", "items"}
    return GateRead(
        **{name: getattr(state, name) for name in names},
        looks=[LookRead.model_validate(look) for look in state.looks],
        items=[
            GateItemRead(
                id=item.id,
                question=item.messages[-1]["content"],
                production=item.answers["production"],
                candidate=item.answers["candidate"],
                expected=item.expected,
                category=item.category,
            )
            for item in items
        ],
    )
