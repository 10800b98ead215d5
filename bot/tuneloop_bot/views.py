"""What messages show, read from the database: plain data that the block builders turn into words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, func, select

from tuneloop.ab_tests.offers import AbOffer, ab_offer
from tuneloop.evaluation.schemas import ComparisonTable
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.monitoring.alert_chart import AlertChart, alert_charts
from tuneloop.monitoring.alert_kinds import ALERT_KINDS
from tuneloop.monitoring.alert_series import series_of
from tuneloop.monitoring.alerts import events_of
from tuneloop.monitoring.proposal import new_examples
from tuneloop.registry.service import aliases, full_name
from tuneloop.retraining.diagnosis.reading import read_attempts
from tuneloop.retraining.diagnosis.schemas import DiagnosisRead
from tuneloop.retraining.effort import Effort, effort_of
from tuneloop.retraining.reading import read_cycle
from tuneloop.retraining.schemas import CycleRead
from tuneloop.retraining.service import has_newer
from tuneloop.review.labels import same, waiting
from tuneloop.tables import (
    AdapterVersion,
    Alert,
    AlertEvent,
    Alias,
    Client,
    CycleState,
    Example,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    Snapshot,
    SnapshotItem,
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
class Data:
    """What a retrain would use, or, once it is proposed, what it uses. `waiting` is None where that is past."""

    training: int
    new: int
    golden: int
    waiting: int | None


class CycleView(CycleRead):
    """A cycle with what only its messages show. `client` is its name, `what` how the candidate came about."""

    model_id: UUID
    client: str
    progress: dict[str, Any]
    asked: dict[str, str]
    """What the first few changed answers of the comparison were asked, by example."""

    again: bool
    """Whether the model has a newer cycle."""

    over: bool
    """Whether the cycle has gone on to another candidate than the one that this view is about."""

    what: str
    diagnosis: DiagnosisRead | None
    before: DiagnosisRead | None
    """Why this candidate was turned down, and the one of the attempt before."""

    previous: tuple[str, str] | None
    """Number and digest of the version that a rollback would bring back."""

    ab_offer: AbOffer | None

    @property
    def outcome(self) -> str | None:
        return self.comparison.outcome if self.comparison else None

    @property
    def reasons(self) -> list[str]:
        return self.comparison.reasons if self.comparison else []

    @property
    def labels_needed(self) -> int | None:
        return self.comparison.labels_needed if self.comparison else None

    @property
    def candidate_number(self) -> str:
        """ "v1.1"; empty before there is one."""
        return (self.candidate or "").rpartition("@")[2]


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
    found = read_cycle(session, cycle, attempt=attempt)
    over = found.attempt < cycle.attempt
    attempts = {each.number: each for each in read_attempts(session, cycle)}
    mine, earlier = attempts.get(found.attempt), attempts.get(found.attempt - 1)
    job = session.get(JobRow, cycle.job_id) if cycle.job_id else None
    named = aliases(session, cycle.model_id)
    in_production, previous = named.get(Alias.PRODUCTION), named.get(Alias.PREVIOUS)
    goes_back = in_production is not None and in_production.digest == found.candidate_digest
    return CycleView(
        **dict(found),
        model_id=cycle.model_id,
        client=session.get_one(Client, cycle.client_id).name,
        progress=job.progress if job is not None and job.state is JobState.RUNNING and not over else {},
        asked=_asked(session, found.comparison.table) if found.comparison else {},
        again=has_newer(session, cycle),
        over=over,
        what=mine.what if mine else "",
        diagnosis=mine.diagnosis if mine else None,
        before=earlier.diagnosis if earlier else None,
        previous=(previous.number, previous.digest) if goes_back and previous is not None else None,
        ab_offer=ab_offer(session, cycle),
    )


def _asked(session: Session, table: ComparisonTable) -> dict[str, str]:
    changed = [*table.get("fixed", [])[:CHANGED], *table.get("broken", [])[:CHANGED]]
    ids = [UUID(each["example_id"]) for each in changed if "example_id" in each]
    rows = session.exec(select(Example).where(col(Example.id).in_(ids), col(Example.deleted_at).is_(None)))
    return {str(row.id): last_words(row.messages) for row in rows}


def alert_view(session: Session, alert: Alert, *, hourly: float, currency: str) -> AlertView:
    model = session.get_one(RegisteredModel, alert.model_id)
    happened = events_of(session, alert.id)
    query = select(RetrainingCycle).where(RetrainingCycle.alert_id == alert.id)
    cycle = session.exec(query.order_by(col(RetrainingCycle.created_at).desc()).limit(1)).one_or_none()
    data = data_at_hand(session, model) if cycle is None else data_of(session, cycle)
    return AlertView(
        row=alert,
        model=full_name(session, model),
        client=session.get_one(Client, model.client_id).name,
        mendable=ALERT_KINDS[alert.kind].mended_by_training,
        examples=failures(session, model, before=alert.opened_at, fallen=alert.evidence.get("fallen", [])),
        effort=effort_of(session, model, examples=data.training, hourly=hourly, currency=currency),
        data=data,
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
    questions = [message["content"] for message in messages if message["role"] == "user"]
    return str(questions[-1]) if questions else ""


def data_of(session: Session, cycle: RetrainingCycle) -> Data:
    """The snapshots that the question is about: they are what they were when it was asked and answered."""
    training, golden = (
        session.get(Snapshot, each) if each else None for each in (cycle.training_snapshot_id, cycle.golden_snapshot_id)
    )
    parent = session.get(AdapterVersion, cycle.parent_version_id) if cycle.parent_version_id else None
    query = select(func.count(col(SnapshotItem.id))).where(SnapshotItem.snapshot_id == cycle.training_snapshot_id)
    if parent is not None:
        seen = select(SnapshotItem.example_id).where(SnapshotItem.snapshot_id == parent.snapshot_id)
        query = query.where(col(SnapshotItem.example_id).not_in(seen))
    asked = cycle.state is CycleState.PROPOSED
    return Data(
        training=training.size if training else 0,
        new=session.exec(query).one(),
        golden=golden.size if golden else 0,
        waiting=waiting(session, ReviewItem.model_id == cycle.model_id) if asked else None,
    )


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
