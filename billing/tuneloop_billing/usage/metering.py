"""Count a month's usage once. What comes to light later is counted with the month in which it does."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select

from tuneloop.clients.gpu_time import gpu_seconds
from tuneloop.clients.months import Month, TimeSpan, zone_of_agency
from tuneloop.tables import AdapterVersion, Prediction, ReviewLabel, Unit, UsageRecord, WorkEntry

SUMMED = (Unit.GPU_SECONDS, Unit.ANSWERS, Unit.LABELS, Unit.OPERATOR_SECONDS)


def count(session: Session, client_id: UUID, span: TimeSpan) -> dict[Unit, int]:
    """Units of a half-open span; storage is what is kept at its end."""
    answers = (
        select(func.count())
        .select_from(Prediction)
        .where(Prediction.client_id == client_id, col(Prediction.imported_from).is_(None))
        .where(*_within(col(Prediction.at), span))
    )
    labels = (
        select(func.count())
        .select_from(ReviewLabel)
        .where(ReviewLabel.client_id == client_id, col(ReviewLabel.undone_at).is_(None))
        .where(*_within(col(ReviewLabel.at), span))
    )
    worked = (
        select(func.coalesce(func.sum(WorkEntry.seconds), 0))
        .where(WorkEntry.client_id == client_id, col(WorkEntry.deleted_at).is_(None))
        .where(*_within(col(WorkEntry.at), span))
    )
    return {
        Unit.GPU_SECONDS: gpu_seconds(session, client_id, span),
        Unit.ANSWERS: session.exec(answers).one(),
        Unit.LABELS: session.exec(labels).one(),
        Unit.OPERATOR_SECONDS: int(session.exec(worked).one()),
        Unit.STORAGE_BYTES: _stored(session, client_id, span.end),
    }


def meter_month(
    session: Session, client_id: UUID, month: Month, *, until: datetime | None = None
) -> dict[Unit, UsageRecord]:
    """Count and keep a month that is over, or up to `until`; a month that was counted stays as it is."""
    zone = zone_of_agency(session)
    known = records_of(session, client_id, month)
    if known:
        return known
    span = month.span(zone)
    counted = count(session, client_id, TimeSpan(span.start, until or span.end))
    earlier = session.exec(select(UsageRecord).where(UsageRecord.client_id == client_id)).all()
    late = dict.fromkeys(Unit, 0)
    if earlier:
        first = Month.parse(min(record.month for record in earlier))
        before = count(session, client_id, TimeSpan(first.span(zone).start, span.start))
        for unit in SUMMED:
            late[unit] = before[unit] - sum(each.quantity + each.late for each in earlier if each.unit is unit)
    for unit, quantity in counted.items():
        session.add(UsageRecord(client_id=client_id, month=str(month), unit=unit, quantity=quantity, late=late[unit]))
    session.flush()
    return records_of(session, client_id, month)


def records_of(session: Session, client_id: UUID, month: Month) -> dict[Unit, UsageRecord]:
    query = select(UsageRecord).where(UsageRecord.client_id == client_id, UsageRecord.month == str(month))
    return {record.unit: record for record in session.exec(query)}


def _within(
    column: ColumnElement[datetime] | object, span: TimeSpan
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column >= span.start, column < span.end  # type: ignore[operator, return-value]


def _stored(session: Session, client_id: UUID, at: datetime) -> int:
    """Bytes of the client's versions; a file that several share counts once."""
    query = select(AdapterVersion.files).where(AdapterVersion.client_id == client_id, AdapterVersion.created_at < at)
    sizes = {str(file["sha256"]): int(file.get("size", 0)) for files in session.exec(query) for file in files}
    return sum(sizes.values())
