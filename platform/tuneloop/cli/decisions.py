"""`tuneloop approve`, `promote`, `reject`, `rollback`: what people decide. Each answer names the digest it is about."""

from typing import Any

import typer

from tuneloop.cli import figures
from tuneloop.cli.arguments import Cycle, Model, Note, NoWait
from tuneloop.cli.cycle_view import render_cycle
from tuneloop.cli.cycles import find_cycle
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.follow import follow_cycle
from tuneloop.cli.http import Reply, model_path
from tuneloop.cli.wiring import THE_LOOP, Terminal, command

app = typer.Typer()


@command(app, "approve", panel=THE_LOOP)
def approve(terminal: Terminal, cycle: Cycle, note: Note = None, no_wait: NoWait = False) -> None:
    """Approve a retrain that was proposed, and watch it."""
    approve_plan(terminal, find_cycle(terminal.api, cycle).value, note=note, wait=not no_wait)


@command(app, "promote", panel=THE_LOOP)
def promote(terminal: Terminal, cycle: Cycle, note: Note = None, no_wait: NoWait = False) -> None:
    """Put a cycle's candidate into production. Against the gate's verdict this takes an admin and a --note."""
    found = find_cycle(terminal.api, cycle).value
    _decide(terminal, found, "promote", question="promotion", note=note, wait=not no_wait)


@command(app, "reject", panel=THE_LOOP)
def reject(terminal: Terminal, cycle: Cycle, note: Note = None) -> None:
    """Turn down the retrain or the candidate, whichever is being asked about."""
    found = find_cycle(terminal.api, cycle).value
    asked = "retrain" if found["state"] == "proposed" else "promotion"
    _decide(terminal, found, "reject", question=asked, note=note, wait=False)


@command(app, "rollback", panel=THE_LOOP)
def rollback(terminal: Terminal, model: Model) -> None:
    """Swap production and previous at once; once more rolls forward."""
    path = model_path(model.client, model.model)
    previous = terminal.api.get(path).value["aliases"].get("previous")
    if previous is None:
        raise Failure("invalid_input", "there is no previous version to go back to", exit_code=ExitCode.FAILED)
    digest = terminal.api.get(f"{path}/versions/{previous}").value["digest"]
    reply = terminal.api.post(f"{path}/rollback", {"digest": digest})
    terminal.out.show(reply, lambda done: f"{done['production']} is in production ({figures.digest(done['digest'])})")


def approve_plan(terminal: Terminal, cycle: dict[str, Any], *, note: str | None = None, wait: bool) -> None:
    _decide(terminal, cycle, "approve", question="retrain", note=note, wait=wait)


def _decide(
    terminal: Terminal, cycle: dict[str, Any], decision: str, *, question: str, note: str | None, wait: bool
) -> None:
    body = {"digest": digest_in_question(cycle, question), "note": note}
    reply: Reply = terminal.api.post(f"/cycles/{cycle['id']}/{decision}", body)
    terminal.out.show(follow_cycle(terminal, cycle["id"]) if wait else reply, render_cycle)


def digest_in_question(cycle: dict[str, Any], kind: str) -> str:
    for question in reversed(cycle["questions"]):
        if question["kind"] == kind:
            return str(question["subject_digest"])
    raise Failure(
        "conflict",
        f"cycle {cycle['id']} is {cycle['state'].replace('_', ' ')}: there is no {kind} to decide on; "
        f"see 'tuneloop cycle show {cycle['id']}'",
        exit_code=ExitCode.CONFLICT,
        details={"cycle": cycle["id"], "state": cycle["state"]},
    )
