"""When a model is read, checked and retrained: plan and domain suggest, people change, and alerts override.

Retraining follows the client's field (support monthly, legal quarterly, e-commerce bi-weekly to monthly, healthcare
quarterly, finance monthly to quarterly, internal knowledge monthly); where there is a range, the premium plan gets its
short end. The basic plan monitors and proposes no retrain.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session, select

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.monitoring.schemas import MOST_DAYS
from tuneloop.tables import Client, Domain, Monitor, Plan, RegisteredModel, Role, Schedule, ScheduledTask

WEEK, FORTNIGHT, MONTH, QUARTER = 7, 14, 30, 91

RETRAIN_DAYS = {
    Domain.CUSTOMER_SUPPORT: (MONTH, MONTH),
    Domain.LEGAL: (QUARTER, QUARTER),
    Domain.ECOMMERCE: (FORTNIGHT, MONTH),
    Domain.HEALTHCARE: (QUARTER, QUARTER),
    Domain.FINANCE: (MONTH, QUARTER),
    Domain.INTERNAL_KNOWLEDGE: (MONTH, MONTH),
}
"""Shortest and longest time between retrains, in days."""

FIRST_CANARY = timedelta(hours=1)
"""How long after its deployment a version answers its golden set again, which measures its run-to-run noise."""

COLLECT = timedelta(days=3)
"""Time to label and collect between an alert and the retrain that it brings forward."""


class Suggestion(NamedTuple):
    every_days: int
    paused: bool = False


def suggested(plan: Plan, domain: Domain) -> dict[ScheduledTask, Suggestion]:
    shortest, longest = RETRAIN_DAYS[domain]
    return {
        ScheduledTask.READING: Suggestion(WEEK),
        ScheduledTask.CANARY: Suggestion(WEEK),
        ScheduledTask.RETRAIN: Suggestion(shortest if plan is Plan.PREMIUM else longest, paused=plan is Plan.BASIC),
    }


def begin_schedules(session: Session, monitor: Monitor) -> None:
    """A version was deployed: its canary is due soon, and the calendar of its model begins if it has none."""
    moment = now()
    client = session.get_one(Client, monitor.client_id)
    known = {row.task: row for row in session.exec(select(Schedule).where(Schedule.model_id == monitor.model_id))}
    for task, suggestion in suggested(client.plan, client.domain).items():
        row = known.get(task) or Schedule(
            agency_id=monitor.agency_id,
            client_id=monitor.client_id,
            model_id=monitor.model_id,
            task=task,
            every_days=suggestion.every_days,
            next_at=moment + timedelta(days=suggestion.every_days),
            paused=suggestion.paused,
        )
        if task is ScheduledTask.CANARY:
            row.next_at = moment + FIRST_CANARY
        elif task is ScheduledTask.RETRAIN and task in known:
            row.next_at = moment + timedelta(days=row.every_days)
        session.add(row)


def change_schedule(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    task: ScheduledTask,
    every_days: int | None = None,
    next_at: datetime | None = None,
    paused: bool | None = None,
    suggested_again: bool = False,
) -> Schedule:
    """Change when a task of this model is due. `suggested_again` goes back to what plan and domain suggest.

    Raises:
        NotFound: the model has no calendar yet; it begins with its first deployment.
        InvalidInput: an interval or a date that makes no sense.
    """
    principal.require(Role.OPERATOR)
    row = session.exec(
        select(Schedule).where(Schedule.model_id == model.id, Schedule.task == task).with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound("schedule", task.value)
    if every_days is not None and not 1 <= every_days <= MOST_DAYS:
        raise InvalidInput(f"every_days lies between 1 and {MOST_DAYS}, not {every_days}", param="every_days")
    if next_at is not None and next_at > now() + timedelta(days=MOST_DAYS):
        raise InvalidInput(f"next_at lies within the next {MOST_DAYS} days", param="next_at")
    if suggested_again:
        _suggest(session, row)
    row.custom = not suggested_again or any(value is not None for value in (every_days, next_at, paused))
    if every_days is not None:
        row.every_days, row.next_at = every_days, min(row.next_at, now() + timedelta(days=every_days))
    if next_at is not None:
        row.next_at = next_at
    if paused is not None:
        row.paused = paused
    session.add(row)
    record(
        session,
        principal,
        "schedule.change",
        "model",
        model.id,
        client_id=model.client_id,
        task=task.value,
        every_days=row.every_days,
        next_at=row.next_at.isoformat(),
        paused=row.paused,
    )
    return row


def bring_retrain_forward(session: Session, monitor: Monitor, *, at: datetime) -> datetime | None:
    """Metrics override the calendar: after an alert the retrain is due as soon as data could be collected.

    Returns the new date, or None where no retrain is scheduled or it is due earlier anyway.
    """
    row = session.exec(
        select(Schedule)
        .where(Schedule.model_id == monitor.model_id, Schedule.task == ScheduledTask.RETRAIN)
        .with_for_update()
    ).one_or_none()
    if row is None or row.paused or row.next_at <= at + COLLECT:
        return None
    row.next_at = at + COLLECT
    session.add(row)
    return row.next_at


def move_on(session: Session, row: Schedule, *, at: datetime) -> None:
    """The task was started: set its next date. Plan and domain may have changed meanwhile."""
    if not row.custom:
        _suggest(session, row)
    row.next_at = at + timedelta(days=row.every_days)
    session.add(row)


def _suggest(session: Session, row: Schedule) -> None:
    client = session.get_one(Client, row.client_id)
    row.every_days, row.paused = suggested(client.plan, client.domain)[row.task]
