"""`tuneloop cycle`: retraining cycles from proposal to production."""

from typing import Annotated
from uuid import UUID

import typer

from tuneloop.cli.arguments import Cycle, Model, path_of
from tuneloop.cli.cycle_view import CYCLES, render_cycle
from tuneloop.cli.diagnosis_view import render_attempts, render_step
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.follow import follow_cycle
from tuneloop.cli.gate_view import render_gate
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit.api_client import Api, Reply
from tuneloop.registry.names import ModelName
from tuneloop.retraining.diagnosis.schemas import AttemptRead
from tuneloop.retraining.schemas import CycleRead, GateRead, StepTaken

app = typer.Typer()


@command(app, "list")
def index(terminal: Terminal, model: Model) -> None:
    """Cycles of a model, newest first."""
    terminal.show(terminal.api.get(f"{path_of(model)}/cycles", list[CycleRead]), CYCLES)


@command(app, "show")
def show(terminal: Terminal, cycle: Cycle) -> None:
    """One cycle: state, recipe, questions, verdict."""
    terminal.show(find_cycle(terminal.api, cycle), render_cycle)


@command(app, "follow")
def follow(terminal: Terminal, cycle: Cycle) -> None:
    """Watch a cycle until it ends or waits for a decision; exit code 7 if it fails."""
    terminal.show(follow_cycle(terminal, find_cycle(terminal.api, cycle).value.id), render_cycle)


@command(app, "gate")
def gate(terminal: Terminal, cycle: Cycle) -> None:
    """What the gate asked people, what they said, and what each of its looks found."""
    found = find_cycle(terminal.api, cycle).value.id
    terminal.show(terminal.api.get(f"/cycles/{found}/gate", GateRead), render_gate)


@command(app, "diagnose")
def diagnose(terminal: Terminal, cycle: Cycle) -> None:
    """Why each candidate of a cycle was turned down, and what could be done next."""
    found = find_cycle(terminal.api, cycle).value.id
    attempts = terminal.api.get(f"/cycles/{found}/attempts", list[AttemptRead])
    terminal.show(attempts, lambda listed: render_attempts(listed, found))


@command(app, "next")
def take_step(
    terminal: Terminal,
    cycle: Cycle,
    step: Annotated[str, typer.Argument(metavar="STEP", help="A key that 'cycle diagnose' shows, such as 'retrain'.")],
) -> None:
    """Do a step of the diagnosis: propose another retrain, or put queries into the review queue."""
    found = find_cycle(terminal.api, cycle).value.id
    terminal.show(terminal.api.post(f"/cycles/{found}/steps", StepTaken, {"step": step}), render_step)


@command(app, "events")
def events(terminal: Terminal, cycle: Cycle) -> None:
    """Every change of a cycle as a line of JSON, until nothing runs: stage, step, loss."""
    found = find_cycle(terminal.api, cycle).value.id
    with terminal.api.download(f"/cycles/{found}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: {"):
                terminal.out.write(line.removeprefix("data: ").encode())


@command(app, "cancel")
def cancel(terminal: Terminal, cycle: Cycle) -> None:
    """Stop the step that runs."""
    found = find_cycle(terminal.api, cycle).value.id
    terminal.show(terminal.api.post(f"/cycles/{found}/cancel", CycleRead), render_cycle)


def find_cycle(api: Api, wanted: ModelName | UUID) -> Reply[CycleRead]:
    """A cycle by id, or the newest of a model. Only a model's newest cycle can be under way."""
    if isinstance(wanted, UUID):
        return api.get(f"/cycles/{wanted}", CycleRead)
    cycles = api.get(f"{path_of(wanted)}/cycles", list[CycleRead]).value
    if not cycles:
        name = f"{wanted.client}/{wanted.model}"
        raise Failure(
            "not_found",
            f"{name} has no cycle yet; start one with 'tuneloop train {name}'",
            exit_code=ExitCode.NOT_FOUND,
        )
    return api.get(f"/cycles/{cycles[0].id}", CycleRead)
