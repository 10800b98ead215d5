"""`tuneloop approve`, `promote`, `reject`, `rollback`: what people decide. Each answer names the digest it is about."""

from typing import Literal

import typer

from tuneloop.cli.arguments import Cycle, Model, Note, NoWait, path_of
from tuneloop.cli.cycle_view import render_cycle
from tuneloop.cli.cycles import find_cycle
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.follow import follow_cycle
from tuneloop.cli.render import short
from tuneloop.cli.wiring import THE_LOOP, Terminal, command
from tuneloop.deployment.schemas import RolledBack
from tuneloop.kit.figures import words
from tuneloop.registry.schemas import ModelRead, VersionRead
from tuneloop.retraining.schemas import CycleRead
from tuneloop.tables import Alias, ApprovalKind, CycleState

app = typer.Typer()


@command(app, "approve", panel=THE_LOOP)
def approve(terminal: Terminal, cycle: Cycle, note: Note = None, no_wait: NoWait = False) -> None:
    approve_plan(terminal, find_cycle(terminal.api, cycle).value, note=note, wait=not no_wait)


@command(app, "promote", panel=THE_LOOP)
def promote(terminal: Terminal, cycle: Cycle, note: Note = None, no_wait: NoWait = False) -> None:
    found = find_cycle(terminal.api, cycle).value
    _decide(terminal, found, "promote", question=ApprovalKind.PROMOTION, note=note, wait=not no_wait)


@command(app, "reject", panel=THE_LOOP)
def reject(terminal: Terminal, cycle: Cycle, note: Note = None) -> None:
    found = find_cycle(terminal.api, cycle).value
    asked = ApprovalKind.RETRAIN if found.state is CycleState.PROPOSED else ApprovalKind.PROMOTION
    _decide(terminal, found, "reject", question=asked, note=note, wait=False)


@command(app, "rollback", panel=THE_LOOP)
def rollback(terminal: Terminal, model: Model) -> None:
    path = path_of(model)
    previous = terminal.api.get(path, ModelRead).value.aliases.get(Alias.PREVIOUS)
    if previous is None:
        raise Failure("invalid_input", "there is no previous version to go back to")
    digest = terminal.api.get(f"{path}/versions/{previous}", VersionRead).value.digest
    reply = terminal.api.post(f"{path}/rollback", RolledBack, {"digest": digest})
    terminal.show(reply, lambda done: f"{done.production} is in production ({short(done.digest)})")


def approve_plan(terminal: Terminal, cycle: CycleRead, *, note: str | None = None, wait: bool) -> None:
    _decide(terminal, cycle, "approve", question=ApprovalKind.RETRAIN, note=note, wait=wait)


def _decide(
    terminal: Terminal,
    cycle: CycleRead,
    decision: Literal["approve", "promote", "reject"],
    *,
    question: ApprovalKind,
    note: str | None,
    wait: bool,
) -> None:
    body = {"digest": digest_in_question(cycle, question), "note": note}
    reply = terminal.api.post(f"/cycles/{cycle.id}/{decision}", CycleRead, body)
    terminal.show(follow_cycle(terminal, cycle.id) if wait else reply, render_cycle)


def digest_in_question(cycle: CycleRead, kind: ApprovalKind) -> str:
    for question in reversed(cycle.questions):
        if question.kind is kind:
            return question.subject_digest
    raise Failure(
        "conflict",
        f"cycle {cycle.id} is {words(cycle.state)}: there is no {kind} to decide on; "
        f"see 'tuneloop cycle show {cycle.id}'",
        exit_code=ExitCode.CONFLICT,
        details={"cycle": str(cycle.id), "state": cycle.state},
    )
