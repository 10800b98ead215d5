"""`tuneloop abtest`: a share of production's people get a cycle's candidate, and both arms are compared."""

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.arguments import Cycle, Note, NoWait
from tuneloop.cli.cycles import find_cycle
from tuneloop.cli.decisions import digest_in_question
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.follow import follow_job
from tuneloop.cli.jobs import render_job
from tuneloop.cli.output import facts, plain, right, stack, table
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="A/B tests: a candidate answers a share of production's people.")

LIVE = ("starting", "running")


@command(app, "start")
def start(
    terminal: Terminal,
    cycle: Cycle,
    share: Annotated[float, typer.Option(metavar="PERCENT", help="Of the people; 5 to 50.")] = 20,
    days: Annotated[int, typer.Option(help="How long it runs at most.")] = 14,
    labels: Annotated[int, typer.Option(help="Answers of each arm that people are asked to label.")] = 60,
) -> None:
    """Have a compared candidate answer a share of the people. Harm stops it; promote or reject it at any time."""
    found = find_cycle(terminal.api, cycle).value
    body = {
        "digest": digest_in_question(found, "promotion"),
        "share": share / 100,
        "days": days,
        "labels": labels,
    }
    terminal.out.show(terminal.api.post(f"/cycles/{found['id']}/ab-tests", body), render_test)


@command(app, "status")
def status(terminal: Terminal, cycle: Cycle) -> None:
    """Tests of a cycle's candidate, newest first: both arms with n and interval, and what they can show."""
    found = find_cycle(terminal.api, cycle).value["id"]
    terminal.out.show(terminal.api.get(f"/cycles/{found}/ab-tests"), render_tests)


@command(app, "read")
def read(terminal: Terminal, cycle: Cycle, no_wait: NoWait = False) -> None:
    """Read both arms now instead of within ten minutes, and ask people about answers of both."""
    reply = terminal.api.post(f"/ab-tests/{_live(terminal, cycle)['id']}/readings")
    terminal.out.show(reply if no_wait else follow_job(terminal, reply.value["id"]), render_job)


@command(app, "stop")
def stop(terminal: Terminal, cycle: Cycle, note: Note = None) -> None:
    """Give all traffic back to production. The candidate still waits for a decision."""
    live = _live(terminal, cycle)
    terminal.out.show(terminal.api.post(f"/ab-tests/{live['id']}/stop", {"reason": note}), render_test)


def _live(terminal: Terminal, cycle: Any) -> dict[str, Any]:
    found = find_cycle(terminal.api, cycle).value
    tests: list[dict[str, Any]] = terminal.api.get(f"/cycles/{found['id']}/ab-tests").value
    live = next((test for test in tests if test["state"] in LIVE), None)
    if live is None:
        raise Failure(
            "conflict",
            f"no A/B test of {found['model']} runs; start one with 'tuneloop abtest start {found['model']}'",
            exit_code=ExitCode.CONFLICT,
        )
    return live


def render_tests(tests: list[dict[str, Any]]) -> Group:
    if not tests:
        return stack(Text("No A/B test yet.", "dim"))
    return stack(*(render_test(test) for test in tests))


def render_test(test: dict[str, Any]) -> Group:
    ended = f"{test['state']} by {test['ended_by']} {figures.moment(test['ended_at'])}: {test['reason']}"
    return stack(
        facts(
            [
                ("Test", test["id"]),
                ("Of", f"{test['candidate']} against {test['production']}"),
                ("State", plain(ended) if test["ended_at"] else test["state"]),
                ("Share", f"{100 * test['share']:.0f} % of the people"),
                ("Started", plain(f"{figures.moment(test['created_at'])} by {test['started_by']}")),
                ("Ends", figures.moment(test["ends_at"]) if test["ends_at"] and not test["ended_at"] else None),
            ]
        ),
        _arms(test["reading"]["arms"]) if test["reading"] else None,
        *(Padding(Text(f"\u2022 {sentence}"), (0, 2)) for sentence in test["says"]),
    )


def _arms(arms: dict[str, Any]) -> Table:
    return table(
        "Arm",
        right("Answers"),
        right("People"),
        right("Accuracy"),
        right("People who report errors"),
        right("Hallucination or no label"),
        rows=[
            (
                name.capitalize(),
                arm["answers"],
                arm["people"],
                figures.rate(arm["accuracy"]),
                figures.rate(arm["reports"]),
                figures.rate(arm["hallucination"]),
            )
            for name, arm in arms.items()
        ],
    )
