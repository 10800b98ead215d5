"""`tuneloop alert`: what fell, how sure that is, and on how many examples."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.arguments import Model
from tuneloop.cli.http import model_path
from tuneloop.cli.output import facts, plain, right, stack, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="Alerts of the monitor.")

AlertId = Annotated[UUID, typer.Argument(metavar="ALERT", help="The alert's id.")]
Reason = Annotated[str, typer.Option(help="Why, for those who read it later.", metavar="TEXT")]


@command(app, "list")
def index(terminal: Terminal, model: Model) -> None:
    """Alerts of a model, newest first."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/alerts"), render_alerts)


@command(app, "show")
def show(terminal: Terminal, alert: AlertId) -> None:
    """One alert with its evidence."""
    terminal.out.show(terminal.api.get(f"/alerts/{alert}"), render_alert)


@command(app, "events")
def events(terminal: Terminal, alert: AlertId) -> None:
    """Everything that happened to an alert, oldest first."""
    terminal.out.show(terminal.api.get(f"/alerts/{alert}/events"), render_events)


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
    terminal.out.show(terminal.api.post(f"/alerts/{alert}/snooze", body), render_alert)


@command(app, "dismiss")
def dismiss(terminal: Terminal, alert: AlertId, reason: Reason) -> None:
    """It was no problem. Evidence is collected anew from here."""
    terminal.out.show(terminal.api.post(f"/alerts/{alert}/dismiss", {"reason": reason}), render_alert)


@command(app, "resolve")
def resolve(terminal: Terminal, alert: AlertId, reason: Reason) -> None:
    """The problem is solved. Evidence is collected anew from here."""
    terminal.out.show(terminal.api.post(f"/alerts/{alert}/resolve", {"reason": reason}), render_alert)


def render_alerts(alerts: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Alert"),
        whole("Kind"),
        whole("Level"),
        whole("State"),
        whole("Opened"),
        "What",
        rows=[
            (
                each["id"],
                each["kind"],
                each["level"],
                each["state"],
                figures.moment(each["opened_at"]),
                each["summary"],
            )
            for each in alerts
        ],
    )


def render_events(events: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("At"),
        whole("Change"),
        whole("Level"),
        "By",
        "What",
        rows=[
            (figures.moment(each["at"]), each["change"], each["level"], each["actor"], each["summary"])
            for each in events
        ],
    )


def render_alert(alert: dict[str, Any]) -> Group:
    evidence = alert["evidence"]
    fallen = set(evidence.get("fallen", ()))
    categories = evidence.get("categories", {})
    return stack(
        Text(plain(alert["summary"]), "bold"),
        facts(
            [
                ("Alert", alert["id"]),
                ("Kind", f"{alert['kind']}, {alert['level']}"),
                ("State", alert["state"]),
                ("Opened", figures.moment(alert["opened_at"])),
                ("Snoozed until", figures.moment(alert["snoozed_until"]) if alert["snoozed_until"] else None),
                ("Closed", figures.moment(alert["resolved_at"]) if alert["resolved_at"] else None),
                ("By", alert["resolved_by"]),
                ("Reason", alert["resolution"]),
                *(
                    (name.capitalize(), figures.rate(evidence[name]))
                    for name in ("baseline", "current", "reports")
                    if name in evidence
                ),
            ]
        ),
        table(
            "Category",
            right("Correct on sampled traffic"),
            "",
            rows=[
                (name, figures.rate(rate), Text("fallen", "red") if name in fallen else "")
                for name, rate in categories.items()
            ],
        )
        if categories
        else None,
    )
