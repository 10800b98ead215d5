"""The gate of a cycle as people see it: what was asked, what was labelled, what each look found."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select

from tuneloop.kit.jobs import enqueue
from tuneloop.registry.service import policy_of
from tuneloop.retraining.attempts import of_attempt
from tuneloop.retraining.jobs import RejudgeCandidate
from tuneloop.stats.gate import LABELS_A_LOOK
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    Approval,
    ApprovalKind,
    Comparison,
    CycleState,
    DisagreementRun,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
)

SETTLED = (ReviewState.DONE, ReviewState.SKIPPED)


@dataclass(frozen=True)
class Look:
    number: int
    at: datetime
    outcome: Outcome
    labels: int
    labels_needed: int | None


@dataclass(frozen=True)
class GateState:
    """`queries` and `disagreements` are None where the golden set judges alone.

    `labels` are settled, `open` wait for people, `labels_used` is what the last look knew. `needed` is about how many
    more labels until a decision, None when there is one. `decision` is the last look's evidence from traffic.
    """

    queries: int | None
    disagreements: int | None
    labels: int
    open: int
    labels_used: int
    needed: int | None
    budget: int
    outcome: Outcome | None
    reasons: list[str]
    decision: dict[str, Any] | None
    looks: list[Look]

    @property
    def waits_for_labels(self) -> bool:
        return self.outcome is Outcome.NEED_MORE_LABELS and self.open > 0


def gate_state(session: Session, cycle: RetrainingCycle) -> GateState:
    run = disagreement_run(session, cycle.id)
    looks = looks_of(session, cycle.id)
    last = looks[-1] if looks else None
    model = session.get_one(RegisteredModel, cycle.model_id)
    return GateState(
        queries=run.queries if run else None,
        disagreements=run.disagreements if run else None,
        labels=len(settled_items(session, cycle.id)),
        open=open_items(session, cycle.id),
        labels_used=labels_used(last),
        needed=last.labels_needed if last else None,
        budget=policy_of(model).label_budget,
        outcome=Outcome(last.outcome) if last else None,
        reasons=list(last.reasons) if last else [],
        decision=last.table.get("disagreements") if last else None,
        looks=[
            Look(each.look, each.created_at, Outcome(each.outcome), labels_used(each), each.labels_needed)
            for each in looks
        ],
    )


def request_rejudge(session: Session, cycle: RetrainingCycle) -> UUID | None:
    """Look again if enough new labels have come, or the last one; call it after any label of a gate item.

    Returns:
        The job, or None when no look is due.
    """
    if not _may_look(session, cycle):
        return None
    settled, waiting = len(settled_items(session, cycle.id)), open_items(session, cycle.id)
    fresh = settled - labels_used(looks_of(session, cycle.id)[-1])
    if fresh <= 0 or (fresh < LABELS_A_LOOK and waiting):
        return None
    return enqueue(
        session,
        RejudgeCandidate(cycle_id=cycle.id),
        agency_id=cycle.agency_id,
        client_id=cycle.client_id,
        dedupe_key=f"{RejudgeCandidate.name}:{cycle.id}:{cycle.attempt}:{settled}",
    )


def may_look_again(session: Session, cycle: RetrainingCycle) -> bool:
    """Whether more labels can still change the verdict, and there are some that the last look did not know."""
    if not _may_look(session, cycle):
        return False
    return len(settled_items(session, cycle.id)) > labels_used(looks_of(session, cycle.id)[-1])


def settled_items(session: Session, cycle_id: UUID) -> list[ReviewItem]:
    """The gate items of the present candidate that people have answered or skipped, in that order.

    The queue hands them out in random order, so they are a random sample of the disagreements. A label from an earlier
    attempt counts once all that stand before it in the queue are settled: known ones first are not a random sample.
    """
    query = select(ReviewItem).where(ReviewItem.cycle_id == cycle_id, *_asked_by_gate())
    counted: list[tuple[datetime, int, ReviewItem]] = []
    reached, waiting = datetime.min.replace(tzinfo=UTC), False
    for place, item in enumerate(session.exec(query.order_by(col(ReviewItem.priority).desc(), col(ReviewItem.id)))):
        if item.state not in SETTLED:
            waiting = True
        elif item.label_of is None:
            reached = max(reached, item.closed_at or reached)
            counted.append((item.closed_at or reached, place, item))
        elif not waiting:
            counted.append((reached, place, item))
    return [item for _, _, item in sorted(counted, key=lambda each: each[:2])]


def gate_items(session: Session, cycle_id: UUID) -> list[ReviewItem]:
    """All that the gate asked people about the present candidate, in whatever state."""
    query = select(ReviewItem).where(ReviewItem.cycle_id == cycle_id, *_asked_by_gate())
    return list(session.exec(query.order_by(col(ReviewItem.id))))


def disagreement_run(session: Session, cycle_id: UUID) -> DisagreementRun | None:
    query = select(DisagreementRun).where(DisagreementRun.cycle_id == cycle_id, of_attempt(DisagreementRun))
    return session.exec(query).one_or_none()


def looks_of(session: Session, cycle_id: UUID) -> list[Comparison]:
    """At the present candidate, first to last."""
    query = select(Comparison).where(Comparison.cycle_id == cycle_id, of_attempt(Comparison))
    return list(session.exec(query.order_by(col(Comparison.look))))


def labels_used(look: Comparison | None) -> int:
    """Labelled disagreements that a look knew."""
    return int(look.table.get("disagreements", {}).get("labelled", 0)) if look else 0


def _may_look(session: Session, cycle: RetrainingCycle) -> bool:
    """A verdict is out and not final, and nobody has decided about the promotion."""
    if cycle.state is not CycleState.AWAITING_PROMOTION:
        return False
    looks = looks_of(session, cycle.id)
    if not looks or looks[-1].outcome != Outcome.NEED_MORE_LABELS:
        return False
    asked = session.exec(
        select(Approval).where(
            Approval.cycle_id == cycle.id, Approval.kind == ApprovalKind.PROMOTION, of_attempt(Approval)
        )
    ).one_or_none()
    return asked is not None and asked.decision is None


def open_items(session: Session, cycle_id: UUID) -> int:
    """Gate items of the present candidate that wait for people."""
    query = select(func.count(col(ReviewItem.id))).where(ReviewItem.cycle_id == cycle_id, *_asked_by_gate())
    return session.exec(query.where(col(ReviewItem.state).not_in(SETTLED))).one()


def _asked_by_gate() -> tuple[ColumnElement[bool], ...]:
    """Conditions: an item of the gate of the candidate that its cycle is at."""
    return col(ReviewItem.purpose) == ReviewPurpose.GATE, of_attempt(ReviewItem)
