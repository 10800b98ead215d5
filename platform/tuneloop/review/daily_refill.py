"""Every model in production has one job per day that looks after its queue and its rolling set."""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.clients.entitlements import allowance
from tuneloop.datasets.rolling_window import retire_due
from tuneloop.kit.jobs import Duty, enqueue_once, is_planned
from tuneloop.kit.principal import Principal
from tuneloop.review.jobs import TendQueue
from tuneloop.review.queue import budget_of, fill
from tuneloop.tables import Alias, Feature, RegisteredModel, VersionAlias

A_DAY = timedelta(days=1)
DAYS_A_WEEK = 7


def _untended(session: Session) -> Sequence[UUID]:
    planned = is_planned(TendQueue, col(VersionAlias.model_id))
    return session.exec(select(VersionAlias.id).where(VersionAlias.name == Alias.PRODUCTION, ~planned)).all()


def _plan_tending(session: Session, alias_id: UUID) -> None:
    alias = session.get_one(VersionAlias, alias_id)
    enqueue_once(session, TendQueue(model_id=alias.model_id), alias.model_id, owner=alias, delay=A_DAY)


TENDING = Duty("tending", _untended, _plan_tending)
"""Tomorrow's job of each model that has none."""


def tend(session: Session, *, principal: Principal, model: RegisteredModel) -> None:
    """The day's share of the review budget, as far as the client's plan has labels left this month."""
    retire_due(session, principal=principal, model=model)
    found = allowance(session, model.client_id, Feature.LABELS)
    today = ceil(budget_of(model) / DAYS_A_WEEK)
    if found.suspension is None:
        fill(session, model, today if found.left is None else min(today, found.left))
