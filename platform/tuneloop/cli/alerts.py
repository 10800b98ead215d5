"""`tuneloop alert`: what fell, how sure that is, and on how many examples."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple
from uuid import UUID

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.cli.arguments import Model, path_of
from tuneloop.cli.render import Facts, Rows, facts, plain, right, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit import figures
from tuneloop.kit.figures import RateRead
from tuneloop.monitoring.schemas import AlertEventRead, AlertRead

app = typer.Typer()

AlertId = Annotated[UUID, typer.Argument(metavar="ALERT", help="The alert's id.")]
Reason = Annotated[str, typer.Option(help="Why, for those who read it later.", metavar="TEXT")]


@command(app, "list")
def index(terminal: Terminal, model: Model) -> None:
    """Alerts of a model, newest first."""
    terminal.show(terminal.api.get(f"{path_of(model)}/alerts", list[AlertRead]), ALERTS)


@command(app, "show")
def show(terminal: Terminal, alert: AlertId) -> None:
    """One alert with its evidence."""
    terminal.show(terminal.api.get(f"/alerts/{alert}", AlertRead), render_alert)


@command(app, "events")
def events(terminal: Terminal, alert: AlertId) -> None:
    """Everything that happened to an alert, oldest first."""
    terminal.show(terminal.api.get(f"/alerts/{alert}/events", list[AlertEventRead]), EVENTS)


@command(app, "snooze")
def snooze(
    terminal: Terminal,
    alert: AlertId,
    reason: Reason,
    days: Annotated[float, typer.Option(help="For how long.", min=0.01, max=60)] = 7,
) -> None:
    """No reminders for some days, unless it gets worse."""
    until = datetime.now(UTC) + timedelta(days=days)
    body = {"until": until.isoformat(), "reason": reason}
    terminal.show(terminal.api.post(f"/alerts/{alert}/snooze", AlertRead, body), render_alert)


@command(app, "dismiss")
def dismiss(terminal: Terminal, alert: AlertId, reason: Reason) -> None:
    """It was no problem. Evidence is collected anew from here."""
    terminal.show(terminal.api.post(f"/alerts/{alert}/dismiss", AlertRead, {"reason": reason}), render_alert)


@command(app, "resolve")
def resolve(terminal: Terminal, alert: AlertId, reason: Reason) -> None:
    """The problem is solved. Evidence is collected anew from here."""
    terminal.show(terminal.api.post(f"/alerts/{alert}/resolve", AlertRead, {"reason": reason}), render_alert)


class Fall(NamedTuple):
    category: str
    rate: RateRead
    fallen: bool


def render_alert(alert: AlertRead) -> Group:
    evidence = alert.evidence
    fallen = set(evidence.get("fallen", ()))
    falls = [Fall(name, rate, name in fallen) for name, rate in evidence.get("categories", {}).items()]
    named = [name for name in ("baseline", "current", "reports") if name in evidence]
    return stack(
        Text(plain(alert.summary), "bold"),
        facts([*ALERT.pairs(alert), *((name.capitalize(), figures.rate(evidence[name])) for name in named)]),
        FALLS(falls) if falls else None,
    )


ALERTS = Rows[AlertRead](
    whole("Alert", lambda it: it.id),
    whole("Kind", lambda it: it.kind),
    whole("Level", lambda it: it.level),
    whole("State", lambda it: it.state),
    whole("Opened", lambda it: it.opened_at),
    text("What", lambda it: it.summary),
)
ALERT = Facts[AlertRead](
    ("Alert", lambda it: it.id),
    ("Kind", lambda it: f"{it.kind}, {it.level}"),
    ("State", lambda it: it.state),
    ("Opened", lambda it: it.opened_at),
    ("Snoozed until", lambda it: it.snoozed_until),
    ("Closed", lambda it: it.resolved_at),
    ("By", lambda it: it.resolved_by),
    ("Reason", lambda it: it.resolution),
)
EVENTS = Rows[AlertEventRead](
    whole("At", lambda it: it.at),
    whole("Change", lambda it: it.change),
    whole("Level", lambda it: it.level),
    text("By", lambda it: it.actor),
    text("What", lambda it: it.summary),
)
FALLS = Rows[Fall](
    text("Category", lambda it: it.category),
    right("Correct on sampled traffic", lambda it: figures.rate(it.rate)),
    text("", lambda it: Text("fallen", "red") if it.fallen else ""),
)
