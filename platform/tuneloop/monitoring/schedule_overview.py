"""What happens automatically, across models: when each task runs next, how often, and when it last did."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.monitoring.scheduled_tasks import JOBS
from tuneloop.monitoring.schedules import Suggestion, suggested
from tuneloop.tables import Alias, Client, RegisteredModel, Schedule, VersionAlias


class Planned(NamedTuple):
    """One task of one model. `serving`: a version is in production; without one nothing runs."""

    client: Client
    model: RegisteredModel
    schedule: Schedule
    suggestion: Suggestion
    last_at: datetime | None
    serving: bool


def calendar(session: Session) -> list[Planned]:
    """The next first; what is paused last."""
    rows = session.exec(
        select(Client, RegisteredModel, Schedule)
        .join(RegisteredModel, col(RegisteredModel.client_id) == Client.id)
        .join(Schedule, col(Schedule.model_id) == RegisteredModel.id)
        .order_by(col(Schedule.paused), col(Schedule.next_at), col(Schedule.id))
    ).all()
    last = _last_runs(session)
    serving = set(session.exec(select(VersionAlias.model_id).where(VersionAlias.name == Alias.PRODUCTION)))
    return [
        Planned(
            client,
            model,
            row,
            suggested(client.plan, client.domain)[row.task],
            last.get(f"{JOBS[row.task].name}:{model.id}"),
            model.id in serving,
        )
        for client, model, row in rows
    ]


def _last_runs(session: Session) -> dict[str, datetime]:
    """When a job of a task last ended well, by the key that the scheduler gives it."""
    query = (
        select(JobRow.dedupe_key, func.max(JobRow.finished_at))
        .where(
            col(JobRow.name).in_([job.name for job in JOBS.values()]),
            JobRow.state == JobState.SUCCEEDED,
            col(JobRow.dedupe_key).is_not(None),
        )
        .group_by(col(JobRow.dedupe_key))
    )
    return {key: at for key, at in session.exec(query) if key and at}
