"""When the daily round of an agency's billing begins. The scheduler needs no payment provider for it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import Session, select

from tuneloop.kit.clock import now
from tuneloop.kit.jobs import Duty, enqueue
from tuneloop.tables import BillingAccount
from tuneloop_billing.jobs import DailyRound

_SOON = timedelta(minutes=10)


def _accounts_due(session: Session) -> Sequence[UUID]:
    return session.exec(select(BillingAccount.id).where(BillingAccount.next_due_at <= now())).all()


def _begin_round(session: Session, account_id: UUID) -> None:
    query = select(BillingAccount).where(BillingAccount.id == account_id, BillingAccount.next_due_at <= now())
    account = session.exec(query.with_for_update(skip_locked=True)).one_or_none()
    if account is None:
        return
    account.next_due_at = next_round(now(), ZoneInfo(account.timezone))
    session.add(account)
    enqueue(
        session,
        DailyRound(agency_id=account.agency_id),
        agency_id=account.agency_id,
        dedupe_key=f"billing.round:{account.agency_id}",
    )


def next_round(moment: datetime, zone: ZoneInfo) -> datetime:
    """Ten minutes into the agency's next day."""
    tomorrow = (moment.astimezone(zone) + timedelta(days=1)).date()
    begins = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
    return begins.astimezone(moment.tzinfo) + _SOON


ROUNDS = Duty("billing rounds", _accounts_due, _begin_round)
"""The round of every agency whose day has begun."""
