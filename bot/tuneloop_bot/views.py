"""What messages show, read from the database: plain data that the block builders turn into words."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, func, select

from tuneloop.ab_tests.offers import AbOffer, ab_offer
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.monitoring.alert_chart import AlertChart, alert_charts
from tuneloop.monitoring.alert_kinds import ALERT_KINDS
from tuneloop.monitoring.alert_series import series_of
from tuneloop.monitoring.alerts import events_of
from tuneloop.monitoring.proposal import new_examples
from tuneloop.registry.service import aliases, contract_of, full_name
from tuneloop.retraining.approvals import questions, votes
from tuneloop.retraining.attempts import attempts_of, comparison_of
from tuneloop.retraining.diagnosis.reading import DiagnosisRead, read_attempts
from tuneloop.retraining.evidence import Evidence, evidence_of
from tuneloop.retraining.jobs import EvaluateCandidate, TrainCandidate
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import has_newer
from tuneloop.review.labels import same, waiting
from tuneloop.tables import (
    AdapterVersion,
    Alert,
    AlertEvent,
    Alias,
    Approval,
    ApprovalKind,
    Client,
    CycleState,
    Decision,
    Example,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
)

EXAMPLES = CHANGED = 3
WIDTH, HEIGHT = 420, 230
"""Of an alert's picture, in pixels."""


@dataclass(frozen=True)
class WrongAnswer:
    """A production answer that was wrong."""

    prediction: UUID
    text: str
    answer: str
    expected: str
    category: str


@dataclass(frozen=True)
class ApprovalQuestion:
    kind: ApprovalKind
    digest: str
    needed: int
    four_eyes: bool
    approved_by: list[str]
    expires_at: datetime
    decision: Decision | None
    decided_by: str | None
    decided_at: datetime | None
    decided_from: str | None
    note: str | None

    @property
    def expired(self) -> bool:
        return self.decision is None and self.expires_at <= now()


@dataclass(frozen=True)
class Effort:
    """What training took the last time, on this installation."""

    minutes: float | None
    cost: float | None
    currency: str


@dataclass(frozen=True)
class Data:
    training: int
    new: int
    golden: int
    waiting: int


@dataclass(frozen=True)
class CycleView:
    id: UUID
    model_id: UUID
    model: str
    client: str
    state: CycleState
    trigger: str
    alert_id: UUID | None
    created_at: datetime
    updated_at: datetime
    retrain: ApprovalQuestion | None
    promotion: ApprovalQuestion | None
    progress: dict[str, Any]
    production: str | None
    candidate: str | None
    candidate_digest: str | None
    table: dict[str, Any]
    evidence: Evidence | None
    outcome: str | None
    reasons: list[str]
    labels_needed: int | None
    failure: str | None
    asked: dict[str, str] = field(default_factory=dict)
    """What the first few changed answers of `table` were asked, by example."""

    again: bool = False
    """Whether the model has a newer cycle."""

    attempt: int = 1
    attempts: int = 1
    """How many the plan covers."""

    over: bool = False
    """Whether the cycle has gone on to another candidate than the one that this view is about."""

    what: str = ""
    """How the candidate came about."""

    diagnosis: DiagnosisRead | None = None
    before: DiagnosisRead | None = None
    """Why this candidate was turned down, and the one of the attempt before."""

    previous: tuple[str, str] | None = field(default=None)
    ab_offer: AbOffer | None = None

    @property
    def open_question(self) -> ApprovalQuestion | None:
        return next((each for each in (self.promotion, self.retrain) if each and each.decision is None), None)


@dataclass(frozen=True)
class AlertView:
    row: Alert
    model: str
    client: str
    mendable: bool
    examples: list[WrongAnswer]
    effort: Effort
    data: Data
    newest: AlertEvent | None
    cycle: CycleView | None
    chart: AlertChart | None


def cycle_view(session: Session, cycle: RetrainingCycle, *, attempt: int | None = None) -> CycleView:
    """As it is now; with `attempt` as that one of its candidates has ended."""
    number = attempt or cycle.attempt
    over = number < cycle.attempt
    model = session.get_one(RegisteredModel, cycle.model_id)
    asked = {
        each.kind: _question(session, each)
        for each in questions(session, cycle.id)
        if each.kind is ApprovalKind.RETRAIN or each.attempt == number
    }
    parent = session.get(AdapterVersion, cycle.parent_version_id) if cycle.parent_version_id else None
    version_id = attempts_of(session, cycle.id)[number - 1].candidate_version_id if over else cycle.candidate_version_id
    candidate = session.get(AdapterVersion, version_id) if version_id else None
    verdict = comparison_of(session, cycle.id, number)
    read = {each.number: each for each in read_attempts(session, cycle)}
    job = session.get(JobRow, cycle.job_id) if cycle.job_id else None
    named = aliases(session, model.id)
    in_production, previous = named.get(Alias.PRODUCTION), named.get(Alias.PREVIOUS)
    goes_back = in_production is not None and candidate is not None and in_production.id == candidate.id
    return CycleView(
        id=cycle.id,
        model_id=model.id,
        model=full_name(session, model),
        client=session.get_one(Client, model.client_id).name,
        state=CycleState.REJECTED if over else cycle.state,
        trigger=cycle.trigger,
        alert_id=cycle.alert_id,
        created_at=cycle.created_at,
        updated_at=cycle.updated_at,
        retrain=asked.get(ApprovalKind.RETRAIN),
        promotion=asked.get(ApprovalKind.PROMOTION),
        progress=job.progress if job is not None and job.state is JobState.RUNNING and not over else {},
        production=parent.number if parent else None,
        candidate=candidate.number if candidate else None,
        candidate_digest=candidate.digest if candidate else None,
        table=verdict.table if verdict else {},
        evidence=evidence_of(session, cycle, number),
        outcome=verdict.outcome if verdict else None,
        reasons=verdict.reasons if verdict else [],
        labels_needed=verdict.labels_needed if verdict else None,
        failure=cycle.failure,
        asked=_asked(session, verdict.table) if verdict else {},
        again=has_newer(session, cycle),
        previous=(previous.number, previous.digest) if goes_back and previous is not None else None,
        ab_offer=ab_offer(session, cycle),
        attempt=number,
        attempts=1 + Recipe.model_validate(cycle.recipe).further_attempts,
        over=over,
        what=read[number].what if number in read else "",
        diagnosis=read[number].diagnosis if number in read else None,
        before=read[number - 1].diagnosis if number - 1 in read else None,
    )


def _asked(session: Session, table: dict[str, Any]) -> dict[str, str]:
    changed = [each.get("example_id") for which in ("fixed", "broken") for each in table.get(which, [])[:CHANGED]]
    ids = [UUID(each) for each in changed if each]
    rows = session.exec(select(Example).where(col(Example.id).in_(ids), col(Example.deleted_at).is_(None)))
    return {str(row.id): last_words(row.messages) for row in rows}


def alert_view(session: Session, alert: Alert, *, hourly: float, currency: str) -> AlertView:
    model = session.get_one(RegisteredModel, alert.model_id)
    happened = events_of(session, alert.id)
    query = select(RetrainingCycle).where(RetrainingCycle.alert_id == alert.id)
    cycle = session.exec(query.order_by(col(RetrainingCycle.created_at).desc()).limit(1)).one_or_none()
    return AlertView(
        row=alert,
        model=full_name(session, model),
        client=session.get_one(Client, model.client_id).name,
        mendable=ALERT_KINDS[alert.kind].mended_by_training,
        examples=failures(session, model, before=alert.opened_at, fallen=alert.evidence.get("fallen", [])),
        effort=last_effort(session, model.id, hourly=hourly, currency=currency),
        data=data_at_hand(session, model),
        newest=happened[-1] if happened else None,
        cycle=cycle_view(session, cycle) if cycle is not None else None,
        chart=next(iter(alert_charts(alert, series_of(session, alert), width=WIDTH, height=HEIGHT)), None),
    )


def failures(session: Session, model: RegisteredModel, *, before: datetime, fallen: list[str]) -> list[WrongAnswer]:
    """The newest wrong answers that people labelled before then; fallen categories first."""
    rows = session.exec(
        select(Example, Prediction)
        .join(Prediction, col(Prediction.id) == Example.prediction_id)
        .where(
            Example.model_id == model.id,
            Example.pool == Pool.ROLLING,
            col(Example.deleted_at).is_(None),
            Example.expected != Prediction.answer,
            Example.added_at <= before,
        )
        .order_by(col(Example.category).in_(fallen).desc(), col(Example.added_at).desc())
        .limit(EXAMPLES * 3)
    )
    return [
        WrongAnswer(
            prediction.id, last_words(prediction.messages), prediction.answer, example.expected, example.category
        )
        for example, prediction in rows
        if not same(model, example.expected, prediction.answer)
    ][:EXAMPLES]


def last_words(messages: list[dict[str, Any]]) -> str:
    said = [message["content"] for message in messages if message["role"] == "user"]
    return str(said[-1]) if said else ""


def data_at_hand(session: Session, model: RegisteredModel) -> Data:
    counts = dict(
        session.exec(
            select(Example.pool, func.count(col(Example.id)))
            .where(Example.model_id == model.id, col(Example.deleted_at).is_(None))
            .group_by(Example.pool)
        ).all()
    )
    queue = waiting(session, ReviewItem.model_id == model.id)
    return Data(counts.get(Pool.TRAINING, 0), new_examples(session, model), counts.get(Pool.GOLDEN, 0), queue)


def last_effort(session: Session, model_id: UUID, *, hourly: float, currency: str) -> Effort:
    """Minutes that training and evaluation took in the model's last cycle that got that far."""
    names = (TrainCandidate.name, EvaluateCandidate.name)
    ids = [
        str(each)
        for each in session.exec(
            select(RetrainingCycle.id)
            .where(RetrainingCycle.model_id == model_id, col(RetrainingCycle.candidate_version_id).is_not(None))
            .order_by(col(RetrainingCycle.created_at).desc())
            .limit(1)
        )
    ]
    jobs = session.exec(
        select(JobRow).where(
            col(JobRow.name).in_(names),
            col(JobRow.args)["cycle_id"].astext.in_(ids),
            col(JobRow.finished_at).is_not(None),
        )
    ).all()
    seconds = sum(
        (job.finished_at - job.started_at).total_seconds() for job in jobs if job.finished_at and job.started_at
    )
    minutes = seconds / 60 if jobs else None
    return Effort(minutes, minutes / 60 * hourly if minutes is not None and hourly else None, currency)


def labels_of(model: RegisteredModel) -> tuple[str, ...]:
    return contract_of(model).labels


def _question(session: Session, row: Approval) -> ApprovalQuestion:
    return ApprovalQuestion(
        kind=row.kind,
        digest=row.subject_digest,
        needed=row.approvals_needed,
        four_eyes=row.four_eyes,
        approved_by=[vote.name for vote in votes(session, row) if vote.decision is Decision.APPROVED],
        expires_at=row.expires_at,
        decision=row.decision,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        decided_from=row.decided_from,
        note=row.note,
    )
