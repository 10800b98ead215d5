"""`tuneloop train` and `tuneloop retrain`: propose a cycle, approve exactly that plan, watch it."""

from typing import Annotated, Any
from uuid import UUID

import typer

from tuneloop.cli.arguments import Model, NoWait, given, path_of
from tuneloop.cli.cycle_view import PLAN
from tuneloop.cli.decisions import approve_plan
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.follow import follow_checks
from tuneloop.cli.recipes import with_recipe
from tuneloop.cli.wiring import THE_LOOP, Terminal, command
from tuneloop.kit.api_client import ApiError, Reply
from tuneloop.registry.names import ModelName
from tuneloop.retraining.schemas import CycleRead

app = typer.Typer()

FAILED_BEFORE = "failed_before"

Alert = Annotated[UUID | None, typer.Option(metavar="ID", help="The alert that this answers.")]
Again = Annotated[
    bool, typer.Option("--again", help="Although the same data and recipe have failed: another seed is taken.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Approve the plan without being asked.")]


@command(app, "train", panel=THE_LOOP)
@with_recipe
def train(
    terminal: Terminal, model: Model, recipe: dict[str, Any], again: Again = False, no_wait: NoWait = False
) -> None:
    approve_plan(terminal, _propose(terminal, model, recipe, again=again).value, wait=not no_wait)


@command(app, "retrain", panel=THE_LOOP)
@with_recipe
def retrain(
    terminal: Terminal,
    model: Model,
    recipe: dict[str, Any],
    alert: Alert = None,
    again: Again = False,
    yes: Yes = False,
    no_wait: NoWait = False,
) -> None:
    if terminal.out.json and not yes:
        raise Failure("usage", "--json asks nothing; add --yes to approve the plan", exit_code=ExitCode.USAGE)
    proposed = _propose(terminal, model, recipe, alert=alert, again=again)
    if not yes:
        terminal.show(proposed, PLAN)
        _ask(proposed.value)
    approve_plan(terminal, proposed.value, wait=not no_wait)


def _propose(
    terminal: Terminal, model: ModelName, recipe: dict[str, Any], *, alert: UUID | None = None, again: bool
) -> Reply[CycleRead]:
    path = path_of(model)
    follow_checks(terminal, path)
    body = given(recipe=recipe, again=again, alert_id=str(alert) if alert else None)
    try:
        return terminal.api.post(f"{path}/cycles", CycleRead, body)
    except ApiError as refused:
        if refused.code != FAILED_BEFORE:
            raise
        more = f"'tuneloop cycle diagnose {refused.details['cycle']}' says what else could be done"
        message = f"{refused.message}: give the same command with --again; {more}"
        raise Failure(refused.code, message, exit_code=ExitCode.CONFLICT, details=refused.details) from refused


def _ask(cycle: CycleRead) -> None:
    """Raises Failure unless the person says yes; the proposal stays."""
    try:
        approved = typer.confirm("Approve this plan?")
    except typer.Abort:
        approved = False
    if not approved:
        raise Failure(
            "not_approved",
            f"not approved; the plan waits for 'tuneloop approve {cycle.model}' or 'tuneloop reject {cycle.model}'",
            details={"cycle": str(cycle.id)},
        )
