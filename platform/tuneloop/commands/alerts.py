"""`tuneloop alert`: what fell, how sure that is, and on how many examples."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.commands import figures
from tuneloop.commands.arguments import Model
from tuneloop.commands.http import model_path
from tuneloop.commands.output import facts, plain, right, stack, table, whole
from tuneloop.commands.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="Alerts of the monitor.")


@command(app, "list")
def index(terminal: Terminal, model: Model) -> None:
    """Alerts of a model, newest first."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/alerts"), render_alerts)


@command(app, "show")
def show(terminal: Terminal, alert: Annotated[UUID, typer.Argument(metavar="ALERT", help="The alert's id.")]) -> None:
    """One alert with its evidence."""
    terminal.out.show(terminal.api.get(f"/alerts/{alert}"), render_alert)


def render_alerts(alerts: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Alert"),
        whole("State"),
        whole("Opened"),
        "What",
        rows=[(each["id"], each["state"], figures.moment(each["opened_at"]), each["summary"]) for each in alerts],
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
                ("State", alert["state"]),
                ("Opened", figures.moment(alert["opened_at"])),
                ("Resolved", figures.moment(alert["resolved_at"]) if alert["resolved_at"] else None),
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
