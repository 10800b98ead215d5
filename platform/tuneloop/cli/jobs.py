"""`tuneloop job`: work in the background."""

from typing import Annotated
from uuid import UUID

import typer

from tuneloop.cli.follow import follow_job
from tuneloop.cli.render import Facts, Rows, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit.api_client import Reply
from tuneloop.kit.jobs.reading import JobRead
from tuneloop.kit.jobs.table import JobState

app = typer.Typer()

Job = Annotated[UUID, typer.Argument(metavar="JOB", help="The job's id.")]


@command(app, "list")
def index(terminal: Terminal, limit: Annotated[int, typer.Option(min=1, max=500)] = 20) -> None:
    """Newest jobs first."""
    terminal.show(terminal.api.get("/jobs", list[JobRead], limit=limit), JOBS)


@command(app, "show")
def show(terminal: Terminal, job: Job) -> None:
    """One job with its progress."""
    terminal.show(terminal.api.get(f"/jobs/{job}", JobRead), JOB)


@command(app, "cancel")
def cancel(terminal: Terminal, job: Job) -> None:
    """Stop a job: at once when queued, at its next heartbeat when running."""
    terminal.show(terminal.api.post(f"/jobs/{job}/cancel", JobRead), JOB)


@command(app, "follow")
def follow(terminal: Terminal, job: Job) -> None:
    """Watch a job until it ends; exit code 7 if it fails."""
    terminal.show(follow_job(terminal, job), JOB)


def show_job(terminal: Terminal, started: Reply[JobRead], *, wait: bool) -> None:
    """A job that was just started, at once or when it has ended."""
    terminal.show(follow_job(terminal, started.value.id) if wait else started, JOB)


def _state(job: JobRead) -> str:
    return f"{job.state}, stopping" if job.cancel_requested and job.state is JobState.RUNNING else job.state


def _progress(job: JobRead) -> str | None:
    progress = job.progress
    steps = f"{progress.get('step', 0)}/{progress['steps']}" if "steps" in progress else ""
    return " ".join(part for part in (str(progress.get("stage", "")), steps) if part) or None


JOBS = Rows[JobRead](
    whole("Job", lambda it: it.id),
    text("Work", lambda it: it.title),
    whole("State", _state),
    text("Progress", _progress),
    whole("Created", lambda it: it.created_at),
)
JOB = Facts[JobRead](
    ("Job", lambda it: it.id),
    ("Work", lambda it: f"{it.title} ({it.name})"),
    ("State", _state),
    ("Progress", _progress),
    ("Attempts", lambda it: it.attempts),
    ("Error", lambda it: it.error),
    ("Waited out", lambda it: f"{it.setbacks} times" if it.setbacks else None),
    ("Next try", lambda it: it.next_try_at),
    ("Gives up", lambda it: it.give_up_at if it.next_try_at else None),
    ("Created", lambda it: it.created_at),
    ("Started", lambda it: it.started_at),
    ("Finished", lambda it: it.finished_at),
)
