"""Doing a step that a diagnosis names."""

from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.datasets.leakage import stored_text
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.retraining.diagnosis.findings import Diagnosis, NextStep, StepKind
from tuneloop.retraining.diagnosis.service import latest_diagnosis
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import find_cycle, propose
from tuneloop.review.queue import add_alike
from tuneloop.tables import Example, RegisteredModel, RetrainingCycle, Role, SnapshotItem, Trigger

DONE_HERE = frozenset({StepKind.BLEND, StepKind.RETRAIN, StepKind.ALL_LAYERS, StepKind.LABEL})
"""Steps that one click does; the others are a page to look at, or nothing to do."""
TYPICAL = 50


@dataclass(frozen=True)
class Taken:
    """What came of a step: a cycle that was proposed, or how many queries wait in the review queue now."""

    step: NextStep
    cycle: RetrainingCycle | None = None
    queued: int = 0

    @property
    def words(self) -> str:
        if self.cycle is not None:
            return "Proposed; it trains once it is approved."
        return f"{self.queued} production queries wait in the review queue now."


def take_step(session: Session, *, principal: Principal, cycle_id: UUID, key: str) -> Taken:
    """Raises NotFound: no such step; InvalidInput: nothing to be done by it here; others as what it does."""
    principal.require(Role.OPERATOR)
    cycle = find_cycle(session, cycle_id)
    diagnosis = latest_diagnosis(session, cycle_id)
    step = diagnosis.step(key) if diagnosis is not None else None
    if diagnosis is None or step is None:
        raise NotFound("next step", key)
    if step.kind not in DONE_HERE:
        raise InvalidInput(f"{step.title!r} is for people to do; no click does it", step=key)
    model = session.get_one(RegisteredModel, cycle.model_id)
    record(session, principal, "cycle.next_step", "cycle", cycle.id, client_id=cycle.client_id, step=key)
    if step.kind is StepKind.LABEL:
        return Taken(step, queued=_ask(session, cycle, model, diagnosis, step))
    proposed = propose(
        session,
        principal=principal,
        model=model,
        recipe=Recipe.model_validate(step.recipe),
        trigger=Trigger.ALERT if cycle.alert_id else Trigger.MANUAL,
        alert_id=cycle.alert_id,
        again=True,
    )
    return Taken(step, cycle=proposed)


def _ask(session: Session, cycle: RetrainingCycle, model: RegisteredModel, diagnosis: Diagnosis, step: NextStep) -> int:
    """Put production queries like those of a category into the review queue."""
    assert step.labels is not None
    lost = [each for pair in diagnosis.pairs if pair.category == step.category for each in pair.examples]
    typical = (
        select(Example)
        .join(SnapshotItem, col(SnapshotItem.example_id) == Example.id)
        .where(SnapshotItem.snapshot_id == cycle.training_snapshot_id, Example.category == step.category)
        .limit(TYPICAL)
    )
    rows = [*session.exec(select(Example).where(col(Example.id).in_(lost))), *session.exec(typical)]
    texts = [stored_text(row.messages) for row in rows if row.deleted_at is None]
    taken_for = f" and was taken for {', '.join(step.wrong)}" if step.wrong else ""
    reason = f"{diagnosis.version or 'A candidate'} lost {step.category}{taken_for}; this message is like those."
    items = add_alike(session, model=model, texts=texts, wanted=step.labels, reason=reason)
    if not items:
        raise InvalidInput(
            f"no recent production query is like those of {step.category}, or all wait in the queue already; "
            "import examples instead",
            category=step.category,
        )
    return len(items)
