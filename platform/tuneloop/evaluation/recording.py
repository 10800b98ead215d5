"""Take down what an external version answers, as long as it does. A recording that was interrupted goes on where it
was: what waits for an answer is a row without one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, delete, select

from tuneloop.audit.service import record
from tuneloop.evaluation.given import Conversation, Given
from tuneloop.evaluation.jobs import RecordAnswers
from tuneloop.evaluation.recording_plan import RecordingPlan, plan_recording
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.principal import Principal
from tuneloop.predictions.erased import has_text
from tuneloop.registry.external import cost_of, find_endpoint, is_over
from tuneloop.registry.service import lock_model
from tuneloop.registry.templates import Message
from tuneloop.tables import (
    AdapterVersion,
    Example,
    ExternalEndpoint,
    Prediction,
    RecordedAnswer,
    Recording,
    RegisteredModel,
    Role,
)


@dataclass(frozen=True)
class Recorded:
    """What is taken down of a version; `cost` as in `Recording`, of what the service counted."""

    golden: int
    traffic: int
    asked: int
    waiting: int
    unanswered: int
    cost: int | None


@dataclass(frozen=True)
class Waiting:
    """A conversation that is still to be put to the service."""

    row_id: UUID
    conversation: Conversation


def begin_recording(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    version: AdapterVersion,
    queries: int,
    requests: int,
) -> Recording:
    """Take down all that is known, and begin to ask for the rest.

    `requests` is what somebody has agreed to: not one more is made.

    Raises:
        NotFound: the version is not external.
        Conflict: its service is gone, a recording is under way, nothing is left to record, or it takes more requests.
    """
    principal.require(Role.OPERATOR)
    lock_model(session, model)
    endpoint = find_endpoint(session, version)
    if live_recording(session, version.id) is not None:
        raise Conflict("its answers are being recorded; stop that first, or wait until it is done")
    plan = plan_recording(session, model=model, version=version, endpoint=endpoint, queries=queries)
    if not plan.fresh:
        raise Conflict(
            "there is nothing new to record; import a golden set, or let the gateway pass on some traffic first"
        )
    if plan.asking > requests:
        raise Conflict(
            f"it takes {plan.asking} requests now, and {requests} were agreed to; look at the plan again",
            requests=plan.asking,
        )
    if plan.asking and is_over(endpoint):
        raise Conflict("its service answers no more, so nothing new can be recorded")
    recording = Recording(
        client_id=model.client_id,
        model_id=model.id,
        version_id=version.id,
        requests=plan.asking,
        most_cost=plan.most_cost,
        currency=plan.currency,
        started_by=principal.name,
    )
    session.add(recording)
    session.flush()
    _add_rows(session, recording, plan)
    if plan.asking:
        ask_on(session, recording, part=1)
    else:
        recording.ended_at = now()
    session.add(recording)
    record(
        session,
        principal,
        "version.record",
        "model",
        model.id,
        client_id=model.client_id,
        number=version.number,
        conversations=len(plan.fresh),
        requests=plan.asking,
    )
    return recording


def stop_recording(session: Session, *, principal: Principal, version: AdapterVersion) -> Recording:
    """What was answered stays. Raises Conflict where none is under way."""
    principal.require(Role.OPERATOR)
    recording = live_recording(session, version.id, lock=True)
    if recording is None:
        raise Conflict("no recording of it is under way")
    end_recording(session, recording, problem=f"stopped by {principal.name}")
    record(session, principal, "version.record_stop", "model", recording.model_id, client_id=recording.client_id)
    return recording


def ask_on(session: Session, recording: Recording, *, part: int) -> None:
    """Have a worker put what waits to the service."""
    recording.job_id = enqueue(
        session,
        RecordAnswers(recording_id=recording.id, part=part),
        agency_id=recording.agency_id,
        client_id=recording.client_id,
        dedupe_key=f"{RecordAnswers.name}:{recording.id}:{part}",
    )
    session.add(recording)


def live_recording(session: Session, version_id: UUID, *, lock: bool = False) -> Recording | None:
    query = select(Recording).where(Recording.version_id == version_id, col(Recording.ended_at).is_(None))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.exec(query).one_or_none()


def latest_recording(session: Session, version_id: UUID) -> Recording | None:
    query = select(Recording).where(Recording.version_id == version_id)
    return session.exec(query.order_by(col(Recording.started_at).desc()).limit(1)).one_or_none()


def waiting_in(session: Session, recording: Recording, *, most: int) -> list[Waiting]:
    """The next to ask. What was erased or deleted meanwhile is not asked any more."""
    found = session.exec(
        select(RecordedAnswer, Example, Prediction)
        .outerjoin(Example, (col(Example.id) == RecordedAnswer.example_id) & col(Example.deleted_at).is_(None))
        .outerjoin(Prediction, (col(Prediction.id) == RecordedAnswer.prediction_id) & has_text())
        .where(RecordedAnswer.recording_id == recording.id, col(RecordedAnswer.answered_at).is_(None))
        .where(col(Example.id).is_not(None) | col(Prediction.id).is_not(None))
        .order_by(col(RecordedAnswer.id))
        .limit(most)
    )
    return [
        Waiting(row.id, [Message.model_validate(turn) for turn in (example or prediction).messages])
        for row, example, prediction in found
    ]


def keep_answers(session: Session, given: Mapping[UUID, Given]) -> None:
    """Answers by the row that waited for them."""
    for row in session.exec(select(RecordedAnswer).where(col(RecordedAnswer.id).in_(given))):
        _fill(row, given[row.id], asked=True)
        session.add(row)


def end_recording(session: Session, recording: Recording, *, problem: str | None = None) -> None:
    """What waits is forgotten: the next recording plans it anew."""
    if recording.ended_at is not None:
        return
    recording.ended_at, recording.problem = now(), problem
    session.add(recording)
    session.execute(
        delete(RecordedAnswer).where(
            col(RecordedAnswer.recording_id) == recording.id, col(RecordedAnswer.answered_at).is_(None)
        )
    )


def recorded_answers(session: Session, version: AdapterVersion, keys: Sequence[str]) -> dict[str, Given]:
    """What is taken down of the version, by the keys of its conversations."""
    query = select(RecordedAnswer).where(
        RecordedAnswer.version_id == version.id,
        col(RecordedAnswer.cache_key).in_(keys),
        col(RecordedAnswer.answered_at).is_not(None),
    )
    return {
        row.cache_key: Given(row.answer or "", row.confidence, row.margin, row.problem) for row in session.exec(query)
    }


def recorded_of(session: Session, version: AdapterVersion, endpoint: ExternalEndpoint) -> Recorded:
    answered = col(RecordedAnswer.answered_at).is_not(None)
    golden, traffic, asked, waiting, unanswered, read, written = session.execute(
        select_columns(
            func.count().filter(answered, col(RecordedAnswer.example_id).is_not(None)),
            func.count().filter(answered, col(RecordedAnswer.prediction_id).is_not(None)),
            func.count().filter(answered, col(RecordedAnswer.asked)),
            func.count().filter(~answered),
            func.count().filter(answered, col(RecordedAnswer.problem) != ""),
            func.coalesce(func.sum(col(RecordedAnswer.prompt_tokens)), 0),
            func.coalesce(func.sum(col(RecordedAnswer.completion_tokens)), 0),
        ).where(col(RecordedAnswer.version_id) == version.id)
    ).one()
    cost = cost_of(endpoint, prompt_tokens=read, completion_tokens=written)
    return Recorded(golden, traffic, asked, waiting, unanswered, cost)


def _add_rows(session: Session, recording: Recording, plan: RecordingPlan) -> None:
    for question in plan.fresh:
        row = RecordedAnswer(
            client_id=recording.client_id,
            version_id=recording.version_id,
            recording_id=recording.id,
            example_id=question.example_id,
            prediction_id=question.prediction_id,
            cache_key=question.key,
        )
        if question.given is not None:
            _fill(row, question.given, asked=False)
        session.add(row)


def _fill(row: RecordedAnswer, given: Given, *, asked: bool) -> None:
    row.answer, row.confidence, row.margin, row.problem = given.text, given.confidence, given.margin, given.problem
    row.prompt_tokens, row.completion_tokens = given.prompt_tokens, given.completion_tokens
    row.asked, row.answered_at = asked, now()
