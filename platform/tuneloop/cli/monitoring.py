"""`tuneloop monitor`, `sample` and `label`: watch production, and label the random sample that measures it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.arguments import Model, NoWait, ScheduledTask
from tuneloop.cli.follow import follow_job
from tuneloop.cli.http import model_path
from tuneloop.cli.jobs import render_job
from tuneloop.cli.model_health_view import (
    render_clusters,
    render_health,
    render_history,
    render_portfolio,
    render_tasks,
)
from tuneloop.cli.output import right, table, whole
from tuneloop.cli.wiring import THE_LOOP, Terminal, command

app = typer.Typer()
monitor = typer.Typer(
    no_args_is_help=True, help="Readings of production: labels judge, confidence warns, users report."
)


@command(monitor, "read")
def read(terminal: Terminal, model: Model, no_wait: NoWait = False) -> None:
    """Take a reading now instead of at the next scheduled time."""
    reply = terminal.api.post(f"{model_path(model.client, model.model)}/readings")
    terminal.out.show(reply if no_wait else follow_job(terminal, reply.value["id"]), render_job)


@command(monitor, "canary")
def canary(terminal: Terminal, model: Model, no_wait: NoWait = False) -> None:
    """Let production answer its golden set again: did our own pipeline change?"""
    reply = terminal.api.post(f"{model_path(model.client, model.model)}/canary")
    terminal.out.show(reply if no_wait else follow_job(terminal, reply.value["id"]), render_job)


@command(monitor, "clusters")
def clusters(terminal: Terminal, model: Model) -> None:
    """Groups of questions unlike what is known so far: new kinds of requests."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/clusters"), render_clusters)


@command(monitor, "ask")
def ask(
    terminal: Terminal,
    model: Model,
    name: Annotated[str, typer.Argument(help="Name of the group as 'monitor clusters' shows it.")],
) -> None:
    """Put the questions of such a group into the review queue."""
    reply = terminal.api.post(f"{model_path(model.client, model.model)}/clusters/ask", {"name": name})
    terminal.out.show(reply, lambda made: f"{made['items']} questions wait in the review queue")


@command(monitor, "schedules")
def schedules(terminal: Terminal, model: Model) -> None:
    """What will happen automatically, the next first."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/schedules"), render_tasks)


@command(monitor, "schedule")
def schedule(
    terminal: Terminal,
    model: Model,
    task: Annotated[ScheduledTask, typer.Argument(help="What is to happen.")],
    every: Annotated[int | None, typer.Option(help="Days between two runs.", min=1, max=366)] = None,
    at: Annotated[datetime | None, typer.Option(help="When it is due next, in local time.")] = None,
    pause: Annotated[bool | None, typer.Option("--pause/--go-on", help="Stop it for now, or go on.")] = None,
    suggested: Annotated[bool, typer.Option("--suggested", help="What plan and domain suggest.")] = False,
) -> None:
    """Change when something happens automatically."""
    body = {
        "task": task,
        "every_days": every,
        "next_at": at.astimezone().isoformat() if at else None,
        "paused": pause,
        "suggested": suggested,
    }
    reply = terminal.api.patch(f"{model_path(model.client, model.model)}/schedules", body)
    terminal.out.show(reply, render_tasks)


@command(monitor, "readings")
def readings(terminal: Terminal, model: Model) -> None:
    """Readings of all streams, newest first."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/readings"), render_readings)


@command(monitor, "health")
def health(terminal: Terminal, model: Model) -> None:
    """State, accuracy, what would be found, open alerts, and what is due next."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/health"), render_health)


@command(monitor, "history")
def history(terminal: Terminal, model: Model) -> None:
    """Weekly accuracy over the last year, with deployments and alerts."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/history"), render_history)


@command(app, "portfolio", panel=THE_LOOP)
def portfolio(terminal: Terminal) -> None:
    """Every model at a glance, the most urgent first."""
    terminal.out.show(terminal.api.get("/portfolio"), render_portfolio)


def render_readings(found: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("At"),
        "Stream",
        right("Value"),
        right("Statistic"),
        right("Threshold"),
        right("p"),
        "",
        rows=[
            (
                figures.moment(each["at"]),
                each["stream"],
                _value(each),
                figures.number(each["statistic"]),
                figures.number(each["threshold"]),
                figures.number(each["p_value"]),
                Text("ALARM", "bold red") if each["alarm"] else "",
            )
            for each in found
        ],
    )


def _value(reading: dict[str, Any]) -> str:
    """Rates with n and interval; a mean confidence with its n."""
    detail = reading["detail"]
    rate = next((detail[name] for name in ("accuracy", "reported", "estimate") if name in detail), None)
    if reading["stream"] == "canary":
        rate = detail["flips"]
    if rate:
        return figures.rate(rate)
    if reading["value"] is None:
        return f"not measured (n={reading['n']})"
    kind = "new questions" if reading["stream"] == "clusters" else "mean"
    return f"{kind} {figures.share(reading['value'])} (n={reading['n']})"
