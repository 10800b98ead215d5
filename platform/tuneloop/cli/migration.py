"""`tuneloop migration`: from a model that a service hosts to one of your own."""

from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.cli.arguments import Model, path_of
from tuneloop.cli.render import Facts, Rows, plain, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.migration.schemas import (
    HostedRead,
    MigrationRead,
    MigrationStepRead,
    PlanRead,
    RecordedRead,
    RecordingRead,
    SavingRead,
)

app = typer.Typer()


@command(app, "show")
def show(terminal: Terminal, model: Model) -> None:
    """Which steps are done, what comes next, how long the service still answers, and what it saves."""
    terminal.show(terminal.api.get(f"{path_of(model)}/migration", MigrationRead), render_migration)


@command(app, "record")
def record(
    terminal: Terminal,
    model: Model,
    requests: Annotated[
        int | None, typer.Option(metavar="N", help="Agree to so many requests without being asked.", min=0)
    ] = None,
) -> None:
    """Record what the hosted model answers, after you have seen how many requests it takes and what they cost."""
    if requests is None:
        plan = terminal.api.get(f"{path_of(model)}/migration", MigrationRead).value.plan
        if plan is not None:
            typer.confirm(f"{describe(plan)} Go on?", abort=True, err=True)
            requests = plan.requests
    body = {"requests": requests or 0}
    terminal.show(terminal.api.post(f"{path_of(model)}/migration/recording", MigrationRead, body), render_migration)


@command(app, "stop")
def stop(terminal: Terminal, model: Model) -> None:
    """Ask the service nothing more; what it has answered is kept."""
    path = f"{path_of(model)}/migration/recording/stop"
    terminal.show(terminal.api.post(path, MigrationRead), render_migration)


def describe(plan: PlanRead) -> str:
    if not plan.requests:
        return "No request is needed: all answers are known."
    cost = "" if plan.at_most is None else f", which cost at most {amount(plan.at_most, plan.currency)}"
    return f"It takes {plan.requests} requests to the service{cost}."


def amount(value: Decimal, currency: str) -> str:
    """Small sums with as many digits as say something."""
    return f"{value:.2f} {currency}" if value >= Decimal("0.01") else f"less than 0.01 {currency}"


def render_migration(found: MigrationRead) -> Group:
    following = next((step for step in found.steps if step.key == found.next), None)
    last = Text(plain(f"Next: {following.title}. {following.says}")) if following else Text("All is done.")
    return stack(
        HOSTED(found.hosted) if found.hosted else None,
        RECORDED(found.recorded) if found.recorded else None,
        RECORDING(found.latest) if found.latest else None,
        PLAN(found.plan) if found.plan and found.plan.requests else None,
        SAVING(found.saving) if found.saving else None,
        STEPS(found.steps),
        last,
    )


def _end(it: HostedRead) -> str | None:
    if it.ends_on is None or it.days_left is None:
        return None
    return f"{it.ends_on.isoformat()}, {'over' if it.days_left <= 0 else f'in {it.days_left} days'}"


HOSTED = Facts[HostedRead](
    ("Version", lambda it: it.version),
    ("Service", lambda it: it.service),
    ("Model there", lambda it: it.model),
    ("Last day", _end),
    ("Problem", lambda it: it.problem),
)
RECORDED = Facts[RecordedRead](
    ("Recorded", lambda it: f"{it.golden} golden, {it.traffic} of traffic"),
    ("Asked for it", lambda it: it.asked),
    ("Cost so far", lambda it: None if it.cost is None else amount(it.cost, it.currency)),
    ("Wait", lambda it: it.waiting or None),
    ("Not answered", lambda it: it.unanswered or None),
)
RECORDING = Facts[RecordingRead](
    ("Last recording", lambda it: f"by {it.started_by}, {it.requests} requests"),
    ("Began", lambda it: it.started_at),
    ("Ended", lambda it: it.ended_at),
    ("Ended early", lambda it: it.problem),
)
PLAN = Facts[PlanRead](
    ("To record", describe),
)
SAVING = Facts[SavingRead](
    (
        "At the service",
        lambda it: (
            f"about {amount(it.per_month, it.currency)} a month, by {it.answers} answers of {it.days} days; here no "
            "answer costs anything by the token"
        ),
    ),
)
STEPS = Rows[MigrationStepRead](
    whole("Step", lambda it: it.title),
    text("", lambda it: "done" if it.done else "if you like" if it.optional else "left"),
    text("What it is", lambda it: it.says),
    text("Page", lambda it: it.address),
)
