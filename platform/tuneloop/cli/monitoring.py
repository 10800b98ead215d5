"""`tuneloop monitor` and `portfolio`: watch production."""

from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from tuneloop.cli.arguments import Model, NoWait, given, local, path_of
from tuneloop.cli.jobs import show_job
from tuneloop.cli.model_health_view import CLUSTERS, PORTFOLIO, TASKS, render_health, render_history
from tuneloop.cli.render import Rows, right, text, whole
from tuneloop.cli.wiring import THE_LOOP, Terminal, command
from tuneloop.kit import figures
from tuneloop.kit.jobs.reading import JobRead
from tuneloop.monitoring.schemas import Asked, History, ModelHealth, NewCluster, PortfolioRow, ReadingRead, UpcomingTask
from tuneloop.tables import ScheduledTask

app = typer.Typer()
monitor = typer.Typer()


@command(monitor, "read")
def read(terminal: Terminal, model: Model, no_wait: NoWait = False) -> None:
    """Take a reading now instead of at the next scheduled time."""
    show_job(terminal, terminal.api.post(f"{path_of(model)}/readings", JobRead), wait=not no_wait)


@command(monitor, "canary")
def canary(terminal: Terminal, model: Model, no_wait: NoWait = False) -> None:
    """Let production answer its golden set again: did our own pipeline change?"""
    show_job(terminal, terminal.api.post(f"{path_of(model)}/canary", JobRead), wait=not no_wait)


@command(monitor, "clusters")
def clusters(terminal: Terminal, model: Model) -> None:
    """Groups of questions unlike what is known so far: new kinds of requests."""
    terminal.show(terminal.api.get(f"{path_of(model)}/clusters", list[NewCluster]), CLUSTERS)


@command(monitor, "ask")
def ask(
    terminal: Terminal,
    model: Model,
    name: Annotated[str, typer.Argument(help="Name of the group as 'monitor clusters' shows it.")],
) -> None:
    """Put the questions of such a group into the review queue."""
    reply = terminal.api.post(f"{path_of(model)}/clusters/ask", Asked, {"name": name})
    terminal.show(reply, lambda made: f"{made.items} questions wait in the review queue")


@command(monitor, "schedules")
def schedules(terminal: Terminal, model: Model) -> None:
    """What will happen automatically, the next first."""
    terminal.show(terminal.api.get(f"{path_of(model)}/schedules", list[UpcomingTask]), TASKS)


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
    body = given(task=task, every_days=every, next_at=local(at), paused=pause, suggested=suggested)
    terminal.show(terminal.api.patch(f"{path_of(model)}/schedules", list[UpcomingTask], body), TASKS)


@command(monitor, "readings")
def readings(terminal: Terminal, model: Model) -> None:
    """Readings of all streams, newest first."""
    terminal.show(terminal.api.get(f"{path_of(model)}/readings", list[ReadingRead]), READINGS)


@command(monitor, "health")
def health(terminal: Terminal, model: Model) -> None:
    """State, accuracy, what would be found, open alerts, and what is due next."""
    terminal.show(terminal.api.get(f"{path_of(model)}/health", ModelHealth), render_health)


@command(monitor, "history")
def history(terminal: Terminal, model: Model) -> None:
    """Weekly accuracy over the last year, with deployments and alerts."""
    terminal.show(terminal.api.get(f"{path_of(model)}/history", History), render_history)


@command(app, "portfolio", panel=THE_LOOP)
def portfolio(terminal: Terminal) -> None:
    terminal.show(terminal.api.get("/portfolio", list[PortfolioRow]), PORTFOLIO)


def _value(reading: ReadingRead) -> str:
    """Rates with n and interval; a mean confidence with its n."""
    detail = reading.detail
    rate = next((detail[name] for name in ("accuracy", "reported", "estimate") if name in detail), None)
    if reading.stream == "canary":
        rate = detail["flips"]
    if rate:
        return figures.rate(rate)
    if reading.value is None:
        return f"not measured (n={reading.n})"
    kind = "new questions" if reading.stream == "clusters" else "mean"
    return f"{kind} {figures.number(reading.value, '.2f')} (n={reading.n})"


READINGS = Rows[ReadingRead](
    whole("At", lambda it: it.at),
    text("Stream", lambda it: it.stream),
    right("Value", _value),
    right("Statistic", lambda it: figures.number(it.statistic)),
    right("Threshold", lambda it: figures.number(it.threshold)),
    right("p", lambda it: figures.number(it.p_value)),
    text("", lambda it: Text("ALARM", "bold red") if it.alarm else ""),
)
