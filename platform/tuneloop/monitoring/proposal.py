"""The retrain that is due: proposed to the operators, or not, when there is nothing new to learn."""

from sqlmodel import Session, col, func, select

from tuneloop.audit.service import record
from tuneloop.clients.entitlements import allowance
from tuneloop.clients.offers import offer
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.monitoring.alert_kinds import ALERT_KINDS
from tuneloop.monitoring.schedules import bring_retrain_forward
from tuneloop.monitoring.status import monitor_of, open_alerts
from tuneloop.registry.service import aliases
from tuneloop.retraining.failed_before import FailedBefore
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import propose
from tuneloop.retraining.states import ENDED
from tuneloop.tables import (
    Alias,
    Example,
    Feature,
    Pool,
    RegisteredModel,
    RetrainingCycle,
    SnapshotItem,
    Trigger,
)

FEWEST_NEW = 20
"""Training on less changes a model's answers more than it can teach."""


def propose_due_retrain(session: Session, *, principal: Principal, model: RegisteredModel) -> RetrainingCycle | None:
    """Propose what the calendar asks for; None, with the reason in the audit log, when it would be pointless.

    With an open alert the question comes back in a few days.
    """
    live = select(RetrainingCycle.id).where(
        RetrainingCycle.model_id == model.id, col(RetrainingCycle.state).not_in(ENDED)
    )
    if session.exec(live).first() is not None:
        _note(session, principal, model, "another cycle is under way")
        return None
    mendable = (each for each in open_alerts(session, model.id) if ALERT_KINDS[each.kind].mended_by_training)
    alert = next(mendable, None)
    new = new_examples(session, model)
    monitor = monitor_of(session, model.id)
    if new < FEWEST_NEW and alert is not None and monitor is not None:
        bring_retrain_forward(session, monitor, at=now())
    if new < FEWEST_NEW:
        _note(session, principal, model, f"only {new} new training examples; collect at least {FEWEST_NEW} first")
        return None
    if not _may(session, principal, model, alert.summary if alert else f"{new} new examples to learn from"):
        return None
    try:
        return propose(
            session,
            principal=principal,
            model=model,
            recipe=Recipe(),
            trigger=Trigger.ALERT if alert else Trigger.SCHEDULE,
            alert_id=alert.id if alert else None,
        )
    except (FailedBefore, InvalidInput) as refused:
        _note(session, principal, model, refused.message)
        return None


def _may(session: Session, principal: Principal, model: RegisteredModel, why: str) -> bool:
    """Whether the client's plan has a retrain left. If not, an extra one is offered to the operators."""
    found = allowance(session, model.client_id, Feature.RETRAIN)
    if found.allowed:
        return True
    offered = (
        None if found.suspension else offer(session, client_id=model.client_id, feature=Feature.RETRAIN, reason=why)
    )
    instead = f"an extra one is offered for {found.price}" if offered else "and it has no price for an extra one"
    _note(session, principal, model, found.suspension or f"the plan has no retrain left this month; {instead}")
    return False


def new_examples(session: Session, model: RegisteredModel) -> int:
    """Training examples that the version in production has not seen."""
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    query = select(func.count(col(Example.id))).where(
        Example.model_id == model.id, Example.pool == Pool.TRAINING, col(Example.deleted_at).is_(None)
    )
    if production is not None:
        seen = select(SnapshotItem.example_id).where(SnapshotItem.snapshot_id == production.snapshot_id)
        query = query.where(col(Example.id).not_in(seen))
    return session.exec(query).one()


def _note(session: Session, principal: Principal, model: RegisteredModel, reason: str) -> None:
    record(
        session,
        principal,
        "retrain.not_proposed",
        "model",
        model.id,
        client_id=model.client_id,
        reason=reason,
    )
