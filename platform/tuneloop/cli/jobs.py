"""`tuneloop job`: work in the background."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.follow import follow_job
from tuneloop.cli.output import facts, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="Work in the background: watch it, stop it.")

Job = Annotated[UUID, typer.Argument(metavar="JOB", help="The job's id.")]


@command(app, "list")
def index(terminal: Terminal, limit: Annotated[int, typer.Option(min=1, max=500)] = 20) -> None:
    """Newest jobs first."""
    terminal.out.show(terminal.api.get("/jobs", limit=limit), render_jobs)


@command(app, "show")
def show(terminal: Terminal, job: Job) -> None:
    """One job with its progress."""
    terminal.out.show(terminal.api.get(f"/jobs/{job}"), render_job)


@command(app, "cancel")
def cancel(terminal: Terminal, job: Job) -> None:
    """Stop a job: at once when queued, at its next heartbeat when running."""
    terminal.out.show(terminal.api.post(f"/jobs/{job}/cancel"), render_job)


@command(app, "follow")
def follow(terminal: Terminal, job: Job) -> None:
    """Watch a job until it ends; exit code 7 if it fails."""
    terminal.out.show(follow_job(terminal, job), render_job)


def render_jobs(jobs: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Job"),
        whole("Work"),
        whole("State"),
        "Progress",
        whole("Created"),
        rows=[
            (each["id"], each["name"], _state(each), _progress(each), figures.moment(each["created_at"]))
            for each in jobs
        ],
    )


def render_job(job: dict[str, Any]) -> Table:
    return facts(
        [
            ("Job", job["id"]),
            ("Work", job["name"]),
            ("State", _state(job)),
            ("Progress", _progress(job)),
            ("Attempts", job["attempts"]),
            ("Error", job["error"]),
            ("Created", figures.moment(job["created_at"])),
            ("Started", figures.moment(job["started_at"])),
            ("Finished", figures.moment(job["finished_at"])),
        ]
    )


def _state(job: dict[str, Any]) -> str:
    stopping = job["cancel_requested"] and job["state"] == "running"
    return f"{job['state']}, stopping" if stopping else str(job["state"])


def _progress(job: dict[str, Any]) -> str | None:
    progress = job["progress"]
    steps = f"{progress.get('step', 0)}/{progress['steps']}" if "steps" in progress else ""
    return " ".join(part for part in (str(progress.get("stage", "")), steps) if part) or None
