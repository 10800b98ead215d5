"""Nothing trains unchecked: training examples wait for a worker's look, and a snapshot waits for it too."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func
from sqlmodel import Session, col, select

from tuneloop.datasets.jobs import ScanExamples
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict
from tuneloop.kit.jobs import Duty, enqueue_once, is_planned
from tuneloop.tables import Example, Pool, RegisteredModel

QUIET = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=10)


def scan_soon(session: Session, model: RegisteredModel) -> UUID | None:
    """Ask a worker to look at the examples now; None while one is looking."""
    return enqueue_once(session, ScanExamples(model_id=model.id), model.id, owner=model)


def _waiting(session: Session) -> Sequence[UUID]:
    """Models with examples that came one by one, once no more come or one has waited for long.

    Also those that came while a scan was reading.
    """
    moment = now()
    since = func.coalesce(Example.retired_at, Example.added_at)
    oldest, newest = func.min(since), func.max(since)
    query = (
        select(Example.model_id)
        .where(_is_unchecked(), ~is_planned(ScanExamples, col(Example.model_id)))
        .group_by(col(Example.model_id))
        .having((newest < moment - QUIET) | (oldest < moment - LONGEST_WAIT))
    )
    return session.exec(query).all()


SCANNING = Duty("scanning", _waiting, lambda session, id_: scan_soon(session, session.get_one(RegisteredModel, id_)))
"""Checks of examples that wait for one."""


def unchecked(session: Session, model: RegisteredModel) -> int:
    """Training examples that no scan has seen yet."""
    query = select(func.count(col(Example.id))).where(Example.model_id == model.id, _is_unchecked())
    return session.exec(query).one()


def require_checked(session: Session, model: RegisteredModel) -> None:
    """Raises Conflict while training examples wait to be checked."""
    if n := unchecked(session, model):
        raise Conflict(
            f"{n} training {'example has' if n == 1 else 'examples have'} not been checked yet for duplicates, "
            "conflicts and personal data. Wait a few minutes, or start the check now ('tuneloop finding scan', or Look "
            "now on the data page), and try again",
            unchecked=n,
        )


def _is_unchecked() -> ColumnElement[bool]:
    return and_(
        col(Example.pool) == Pool.TRAINING, col(Example.checked_at).is_(None), col(Example.deleted_at).is_(None)
    )
