"""Time that people spend for clients: a page's timer, or written by hand; both can be corrected."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.clients.service import find_client
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import Activity, Client, Role, WorkEntry

GUIDE_MINUTES = {Activity.COLLECT: 30, Activity.RETRAIN: 15, Activity.COMPARE: 30, Activity.DEPLOY: 15}
"""A month's work for a client, as an agency plans it."""

_PAUSE = timedelta(seconds=90)
_LONGEST = 24 * 3600


def beat(
    session: Session, *, principal: Principal, client: str, activity: Activity, moment: datetime | None = None
) -> WorkEntry:
    """A page that is being worked on says so every half minute; a pause of 90 seconds ends the entry."""
    principal.require(Role.OPERATOR)
    at, row = moment or now(), find_client(session, client)
    open_ = session.exec(
        select(WorkEntry)
        .where(
            WorkEntry.client_id == row.id,
            WorkEntry.person == principal.name,
            WorkEntry.activity == activity,
            col(WorkEntry.last_beat) > at - _PAUSE,
            col(WorkEntry.deleted_at).is_(None),
        )
        .order_by(col(WorkEntry.at).desc())
        .with_for_update()
    ).first()
    zone = zone_of_agency(session)
    if open_ is None or Month.of(open_.at, zone) != Month.of(at, zone):
        entry = WorkEntry(client_id=row.id, person=principal.name, activity=activity, at=at, last_beat=at, seconds=0)
    else:
        entry = open_
        assert entry.last_beat is not None
        entry.seconds += max(0, round((at - entry.last_beat).total_seconds()))
        entry.last_beat = max(at, entry.last_beat)
    session.add(entry)
    session.flush()
    return entry


def add_work(
    session: Session,
    *,
    principal: Principal,
    client: str,
    activity: Activity,
    minutes: int,
    at: datetime | None = None,
    note: str = "",
) -> WorkEntry:
    """Raises InvalidInput for time in the future, or more than a day at once."""
    principal.require(Role.OPERATOR)
    row = find_client(session, client)
    moment = _not_future(at or now())
    entry = WorkEntry(
        client_id=row.id,
        person=principal.name,
        activity=activity,
        at=moment,
        seconds=_seconds(minutes),
        note=note,
    )
    session.add(entry)
    session.flush()
    record(session, principal, "work.add", "work", entry.id, client_id=row.id, activity=activity, minutes=minutes)
    return entry


def change_work(
    session: Session,
    *,
    principal: Principal,
    work_id: UUID,
    minutes: int | None = None,
    activity: Activity | None = None,
    note: str | None = None,
) -> WorkEntry:
    """Correct an entry, whoever made it; the log keeps what it said before."""
    entry = find_work(session, principal, work_id)
    before = {"seconds": entry.seconds, "activity": entry.activity, "note": entry.note}
    if minutes is not None:
        entry.seconds, entry.last_beat = _seconds(minutes), None
    entry.activity = activity or entry.activity
    entry.note = entry.note if note is None else note
    session.add(entry)
    record(session, principal, "work.change", "work", entry.id, client_id=entry.client_id, before=before)
    return entry


def remove_work(session: Session, *, principal: Principal, work_id: UUID) -> WorkEntry:
    entry = find_work(session, principal, work_id)
    entry.deleted_at = entry.deleted_at or now()
    session.add(entry)
    record(session, principal, "work.remove", "work", entry.id, client_id=entry.client_id, seconds=entry.seconds)
    return entry


def work_of(session: Session, client: Client, month: Month) -> list[WorkEntry]:
    """Newest first, without the looks at a page that were over before any time had passed."""
    span = month.span(zone_of_agency(session))
    query = select(WorkEntry).where(
        WorkEntry.client_id == client.id,
        WorkEntry.at >= span.start,
        WorkEntry.at < span.end,
        WorkEntry.seconds > 0,
        col(WorkEntry.deleted_at).is_(None),
    )
    return list(session.exec(query.order_by(col(WorkEntry.at).desc(), col(WorkEntry.id).desc())))


def find_work(session: Session, principal: Principal, work_id: UUID) -> WorkEntry:
    principal.require(Role.OPERATOR)
    query = select(WorkEntry).where(WorkEntry.id == work_id).with_for_update()
    entry = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if entry is None:
        raise NotFound("work entry", work_id)
    return entry


def _seconds(minutes: int) -> int:
    if not 0 < minutes * 60 <= _LONGEST:
        raise InvalidInput(f"{minutes} minutes are not one entry; an entry has 1 to {_LONGEST // 60} minutes")
    return minutes * 60


def _not_future(at: datetime) -> datetime:
    if at > now() + timedelta(minutes=5):
        raise InvalidInput("work can't be in the future")
    return at
