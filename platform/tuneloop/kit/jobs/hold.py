"""Jobs that wait until a person lets them go, by their names."""

from datetime import timedelta

from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select, update

from tuneloop.kit.jobs.job import Queue
from tuneloop.kit.jobs.table import JobHold, JobRow, JobState

LOOK_AGAIN = timedelta(minutes=2)
"""At most so much later than it is released a held job begins."""


def is_held() -> ColumnElement[bool]:
    """Condition: jobs of this name wait until a person lets them go."""
    named = col(JobRow.name).regexp_match(col(JobHold.jobs))
    return select(JobHold.id).where(col(JobHold.released_at).is_(None), named).exists()


def put_off_held(session: Session, queue: Queue) -> None:
    """Out of the way of the jobs that may run, before one of them is chosen."""
    if session.exec(select(JobHold.id).where(col(JobHold.released_at).is_(None)).limit(1)).first() is None:
        return
    due = col(JobRow.run_after) <= func.clock_timestamp()
    held = update(JobRow).where(col(JobRow.queue) == queue, col(JobRow.state) == JobState.QUEUED, due, is_held())
    session.execute(
        held.values(run_after=func.clock_timestamp() + LOOK_AGAIN).execution_options(synchronize_session=False)
    )
