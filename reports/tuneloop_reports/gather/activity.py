"""What was done for a model in a period, and why."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, func, select

from tuneloop.clients.months import TimeSpan
from tuneloop.retraining.approvals import latest_question
from tuneloop.retraining.attempts import attempts_of, comparison_of
from tuneloop.retraining.diagnosis.service import stored_diagnosis
from tuneloop.retraining.states import ENDED
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    AdapterVersion,
    Alert,
    ApprovalKind,
    AuditEvent,
    Comparison,
    CycleState,
    Example,
    Pool,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewLabel,
    Snapshot,
    SnapshotItem,
)
from tuneloop_reports.content import (
    ComparedRow,
    Difference,
    Event,
    EventKind,
    FixedExample,
    MonthlyActivity,
    ReportRate,
    Retrain,
    TurnedDown,
)
from tuneloop_reports.redact import redact, shorten

MOST_EXAMPLES = 5
LONGEST_TEXT = 260
BEFORE_THE_COMPARISON = frozenset(
    {CycleState.PROPOSED, CycleState.APPROVED, CycleState.TRAINING, CycleState.EVALUATING}
)


def work(session: Session, model: RegisteredModel, span: TimeSpan) -> MonthlyActivity:
    sources = session.exec(
        select(Example.source, func.count(col(Example.id)))
        .where(Example.model_id == model.id, col(Example.added_at) >= span.start, col(Example.added_at) < span.end)
        .group_by(col(Example.source))
    ).all()
    labels, labellers = session.exec(
        select(func.count(col(ReviewLabel.id)), func.count(func.distinct(ReviewLabel.labeller)))
        .join(ReviewItem, col(ReviewItem.id) == ReviewLabel.item_id)
        .where(ReviewItem.model_id == model.id, col(ReviewLabel.undone_at).is_(None))
        .where(col(ReviewLabel.at) >= span.start, col(ReviewLabel.at) < span.end)
    ).one()
    return MonthlyActivity(
        examples={str(source): n for source, n in sorted(sources)},
        labels=labels,
        labellers=labellers,
        deployed=tuple(event.version for event in deployments(session, model, span) if event.version),
        rollbacks=len(_cycle_events(session, model, "cycle.rolled_back", span)),
    )


def deployments(session: Session, model: RegisteredModel, span: TimeSpan) -> list[Event]:
    """Oldest first."""
    rows = session.exec(
        select(AuditEvent)
        .where(AuditEvent.action == "version.deploy", AuditEvent.subject_id == str(model.id))
        .where(col(AuditEvent.at) >= span.start, col(AuditEvent.at) < span.end)
        .order_by(col(AuditEvent.at))
    )
    return [Event(at=row.at, kind=EventKind.DEPLOYED, version=row.detail["number"]) for row in rows]


def retrains(session: Session, model: RegisteredModel, span: TimeSpan) -> list[tuple[RetrainingCycle, Retrain]]:
    """Cycles that began or ended in the period, oldest first."""
    rows = session.exec(
        select(RetrainingCycle)
        .where(RetrainingCycle.model_id == model.id, col(RetrainingCycle.created_at) < span.end)
        .where(col(RetrainingCycle.updated_at) >= span.start)
        .order_by(col(RetrainingCycle.created_at))
    ).all()
    began = [row for row in rows if row.created_at >= span.start or row.state not in ENDED or row.updated_at < span.end]
    return [(row, _retrain(session, row, span.end)) for row in began]


def fixed_examples(session: Session, cycles: list[RetrainingCycle], versions: set[UUID]) -> tuple[FixedExample, ...]:
    """Questions that production got wrong and the version which replaced it gets right, with personal data removed."""
    fixed: list[FixedExample] = []
    for cycle in reversed(cycles):
        comparison = _comparison(session, cycle)
        if comparison is None or cycle.candidate_version_id not in versions:
            continue
        for item in comparison.table.get("fixed", []):
            example = session.get(Example, UUID(item["example_id"]))
            if example is None or example.deleted_at is not None or len(fixed) == MOST_EXAMPLES:
                continue
            asked = next((m["content"] for m in reversed(example.messages) if m["role"] == "user"), "")
            fixed.append(
                FixedExample(
                    category=item["category"],
                    question=_safe(asked),
                    expected=_safe(item["expected"]),
                    before=_safe(item["production"]),
                    after=_safe(item["candidate"]),
                )
            )
    return tuple(fixed)


def _safe(text: str) -> str:
    return shorten(redact(text), LONGEST_TEXT)


def _retrain(session: Session, cycle: RetrainingCycle, end: datetime) -> Retrain:
    """As the period left it: what was found and decided after its `end` is in a later report."""
    state = _state_at(session, cycle, end)
    comparison = None if state in BEFORE_THE_COMPARISON else _comparison(session, cycle)
    table = comparison.table if comparison else {}
    parent = session.get(AdapterVersion, cycle.parent_version_id) if cycle.parent_version_id else None
    trained = cycle.candidate_version_id if state not in BEFORE_THE_COMPARISON else None
    candidate = session.get(AdapterVersion, trained) if trained else None
    snapshot = session.get(Snapshot, cycle.training_snapshot_id) if cycle.training_snapshot_id else None
    alert = session.get(Alert, cycle.alert_id) if cycle.alert_id else None
    promotion = latest_question(session, cycle.id, ApprovalKind.PROMOTION)
    return Retrain(
        started=cycle.created_at,
        trigger=cycle.trigger,
        state=state,
        alert=alert.summary if alert else None,
        production=parent.number if parent else None,
        candidate=candidate.number if candidate else None,
        examples=snapshot.size if snapshot and snapshot.pool is Pool.TRAINING else None,
        new_examples=_new_examples(session, snapshot, parent) if snapshot else None,
        rows=tuple(_row(each) for each in table.get("rows", [])),
        fixed=len(table.get("fixed", [])),
        broken=len(table.get("broken", [])),
        outcome=comparison.outcome if comparison else None,
        labels_needed=comparison.labels_needed if comparison else None,
        decided_by=promotion.decided_by if promotion and state in ENDED else None,
        failure=cycle.failure if state is CycleState.FAILED else None,
        turned_down=_turned_down(session, cycle, end),
    )


def _state_at(session: Session, cycle: RetrainingCycle, end: datetime) -> CycleState:
    if cycle.updated_at < end:
        return cycle.state
    steps = {f"cycle.{state}": state for state in CycleState}
    query = (
        select(AuditEvent.action)
        .where(AuditEvent.subject_id == str(cycle.id), col(AuditEvent.action).in_(steps), col(AuditEvent.at) < end)
        .order_by(col(AuditEvent.at).desc(), col(AuditEvent.id).desc())
        .limit(1)
    )
    last = session.exec(query).one_or_none()
    return steps[last] if last else CycleState.PROPOSED


def _turned_down(session: Session, cycle: RetrainingCycle, end: datetime) -> tuple[TurnedDown, ...]:
    found = []
    for attempt in attempts_of(session, cycle.id):
        diagnosis = stored_diagnosis(attempt)
        look = comparison_of(session, cycle.id, attempt.number)
        if (
            diagnosis is None
            or diagnosis.version is None
            or look is None
            or look.outcome != Outcome.REJECT
            or look.created_at >= end
        ):
            continue
        number = diagnosis.version.removeprefix("v")
        if not diagnosis.losses:
            found.append(TurnedDown(candidate=number))
            continue
        worst = diagnosis.losses[0]
        before, after = (ReportRate.model_validate(each) for each in (worst.production, worst.candidate))
        found.append(TurnedDown(candidate=number, category=worst.category, before=before, after=after))
    return tuple(found)


def _new_examples(session: Session, snapshot: Snapshot, parent: AdapterVersion | None) -> int | None:
    """Examples that the version before had not seen."""
    if parent is None or parent.snapshot_id is None or snapshot.pool is not Pool.TRAINING:
        return None
    known = select(SnapshotItem.example_id).where(SnapshotItem.snapshot_id == parent.snapshot_id)
    query = select(func.count(col(SnapshotItem.id))).where(SnapshotItem.snapshot_id == snapshot.id)
    return session.exec(query.where(col(SnapshotItem.example_id).not_in(known))).one()


def _row(row: dict[str, object]) -> ComparedRow:
    return ComparedRow(
        key=str(row["key"]),
        title=str(row["title"]),
        n=int(str(row["n"])),
        production=ReportRate.model_validate(row["production"]),
        candidate=ReportRate.model_validate(row["candidate"]),
        difference=Difference.model_validate(row["difference"]),
    )


def _comparison(session: Session, cycle: RetrainingCycle) -> Comparison | None:
    return comparison_of(session, cycle.id)


def _cycle_events(session: Session, model: RegisteredModel, action: str, span: TimeSpan) -> list[AuditEvent]:
    cycles = select(RetrainingCycle.id).where(RetrainingCycle.model_id == model.id)
    ids = [str(each) for each in session.exec(cycles)]
    query = select(AuditEvent).where(AuditEvent.action == action, col(AuditEvent.subject_id).in_(ids))
    return list(session.exec(query.where(col(AuditEvent.at) >= span.start, col(AuditEvent.at) < span.end)))
