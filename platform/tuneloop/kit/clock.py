"""The one source of the current time: aware, UTC, and by the database's clock where the machine's is wrong."""

from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger(__name__)

TOLERANCE = timedelta(seconds=2)
"""By which machines may differ; smaller differences are not told apart from the way of the answer."""

_RIGHT = timedelta()
_behind = [_RIGHT]


def now() -> datetime:
    return machine_time() + _behind[0]


def machine_time() -> datetime:
    return datetime.now(UTC)


def follow(database_time: datetime, *, asked: datetime, answered: datetime) -> None:
    """Correct this process's clock by what the database said between two moments of `machine_time`."""
    if not timedelta() <= answered - asked < TOLERANCE / 2:
        return
    behind = database_time - asked - (answered - asked) / 2
    if abs(behind) < TOLERANCE:
        behind = _RIGHT
    if abs(behind - _behind[0]) >= TOLERANCE:
        log.warning("clock_corrected", behind_seconds=round(behind.total_seconds(), 1))
        _behind[0] = behind
