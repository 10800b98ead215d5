"""`tuneloop simulate`: what the monitor and the gate reach, beside what was aimed at."""

from collections.abc import Sequence
from typing import Literal

import orjson
from rich.console import Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tuneloop.cli.output import Output
from tuneloop.cli.render import Rows, right, stack, text
from tuneloop.kit.figures import percent
from tuneloop.stats.simulations.catalogue import GATE, MONITOR
from tuneloop.stats.simulations.finding import Aim, Finding, Result, Simulation, Unit

Subject = Literal["monitor", "gate"]

_RESULTS = {
    Result.MET: ("met", "green"),
    Result.WITHIN_ERROR: ("within error", "yellow"),
    Result.MISSED: ("MISSED", "red"),
    Result.NO_AIM: ("", ""),
}


def simulate(subject: Subject, out: Output) -> None:
    tell(MONITOR if subject == "monitor" else GATE, subject, out)


def tell(chosen: Sequence[Simulation], subject: str, out: Output) -> None:
    found = _run(chosen, out)
    if out.json:
        results = [
            {"title": simulation.title, "findings": [finding.as_json() for finding in findings]}
            for simulation, findings in found
        ]
        out.write(orjson.dumps({"subject": subject, "simulations": results}))
    else:
        out.people.print(render(found))


def render(found: Sequence[tuple[Simulation, Sequence[Finding]]]) -> Group:
    return stack(*(_table(simulation.title)(findings) for simulation, findings in found))


def _run(chosen: Sequence[Simulation], out: Output) -> list[tuple[Simulation, Sequence[Finding]]]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out.notes,
        transient=True,
        disable=out.json,
    )
    found: list[tuple[Simulation, Sequence[Finding]]] = []
    with bar:
        task = bar.add_task("", total=len(chosen))
        for simulation in chosen:
            bar.update(task, description=simulation.title)
            found.append((simulation, simulation.run()))
            bar.advance(task)
    return found


def _table(title: str) -> Rows[Finding]:
    return Rows[Finding](
        text(title, lambda it: it.what),
        right("aim", lambda it: _aim(it.aim, it.unit) if it.aim else ""),
        right("reached", lambda it: _shown(it.reached, it.unit)),
        right("95 % interval", lambda it: f"{_shown(it.low, it.unit)} to {_shown(it.high, it.unit)}"),
        right("runs", lambda it: it.runs),
        text("", lambda it: Text(*_RESULTS[it.result])),
    )


def _aim(aim: Aim, unit: Unit) -> str:
    return f"{'≤' if aim.at_most else '≥'} {_shown(aim.bound, unit)}"


def _shown(value: float, unit: Unit) -> str:
    if value == float("inf"):
        return "never"
    return percent(value, 1) if unit is Unit.SHARE else f"{value:.0f} {unit}"
