"""Every agency is swept once a night."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.kit.clock import now
from tuneloop.kit.jobs import Duty, enqueue, is_planned
from tuneloop.retention.jobs import SweepAgency
from tuneloop.tables import Agency

HOUR = 2
"""UTC; agencies come one after the other within the hour that follows."""


def _unswept(session: Session) -> Sequence[UUID]:
    return session.exec(select(Agency.id).where(~is_planned(SweepAgency, col(Agency.id)))).all()


def _plan(session: Session, agency_id: UUID) -> None:
    at = now()
    night = at.replace(hour=HOUR, minute=agency_id.int % 60, second=0, microsecond=0)
    due = night if night > at else night + timedelta(days=1)
    key = f"{SweepAgency.name}:{agency_id}"
    enqueue(session, SweepAgency(), agency_id=agency_id, dedupe_key=key, delay=due - at)


SWEEPING = Duty("sweeping", _unswept, _plan)
