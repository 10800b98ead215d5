"""From when a version's answers are measured, after older ones have come in."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from tuneloop.tables import AdapterVersion, Monitor, Reading

_BEFORE = timedelta(microseconds=1)


def watch_from(session: Session, version: AdapterVersion, first: datetime) -> datetime | None:
    """Let the next reading begin before `first`, as far as no reading has measured that time already.

    Returns since when answers are measured; None where the version is not monitored yet.
    """
    query = select(Monitor).where(Monitor.version_id == version.id).with_for_update()
    monitor = session.exec(query).one_or_none()
    if monitor is None:
        return None
    measured = session.exec(
        select(func.max(col(Reading.at))).where(Reading.monitor_id == monitor.id, Reading.n > 0)
    ).one()
    begin = first - _BEFORE if measured is None else max(measured, first - _BEFORE)
    if begin < monitor.read_until:
        monitor.read_until = begin
        session.add(monitor)
        session.flush()
    return monitor.read_until
