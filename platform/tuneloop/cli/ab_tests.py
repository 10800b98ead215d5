"""`tuneloop abtest`: a share of production's people get a cycle's candidate, and both arms are compared."""

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.ab_tests.schemas import DAYS, LABELS, SHARE, AbTestRead, ArmRead
from tuneloop.cli.arguments import Cycle, Note, NoWait
from tuneloop.cli.cycles import find_cycle
from tuneloop.cli.decisions import digest_in_question
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.jobs import show_job
from tuneloop.cli.render import Facts, Rows, bullets, moment, right, stack, text
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit import figures
from tuneloop.kit.jobs.reading import JobRead
from tuneloop.tables import AbState, ApprovalKind

app = typer.Typer()

LIVE = (AbState.STARTING, AbState.RUNNING)


@command(app, "start")
def start(
    terminal: Terminal,
    cycle: Cycle,
    share: Annotated[float, typer.Option(metavar="PERCENT", help="Of the people; 5 to 50.")] = 100 * SHARE,
    days: Annotated[int, typer.Option(help="How long it runs at most.")] = DAYS,
    labels: Annotated[int, typer.Option(help="Answers of each arm that people are asked to label.")] = LABELS,
) -> None:
    """Have a compared candidate answer a share of the people. Harm stops it; promote or reject it at any time."""
    found = find_cycle(terminal.api, cycle).value
    digest = digest_in_question(found, ApprovalKind.PROMOTION)
    body = {"digest": digest, "share": share / 100, "days": days, "labels": labels}
    terminal.show(terminal.api.post(f"/cycles/{found.id}/ab-tests", AbTestRead, body), render_test)


@command(app, "status")
def status(terminal: Terminal, cycle: Cycle) -> None:
    """Tests of a cycle's candidate, newest first: both arms with n and interval, and what they can show."""
    found = find_cycle(terminal.api, cycle).value.id
    tests = terminal.api.get(f"/cycles/{found}/ab-tests", list[AbTestRead])
    terminal.show(tests, lambda listed: stack(*map(render_test, listed)))


@command(app, "read")
def read(terminal: Terminal, cycle: Cycle, no_wait: NoWait = False) -> None:
    """Read both arms now instead of within ten minutes, and ask people about answers of both."""
    show_job(terminal, terminal.api.post(f"/ab-tests/{_live(terminal, cycle)}/readings", JobRead), wait=not no_wait)


@command(app, "stop")
def stop(terminal: Terminal, cycle: Cycle, note: Note = None) -> None:
    """Give all traffic back to production. The candidate still waits for a decision."""
    path = f"/ab-tests/{_live(terminal, cycle)}/stop"
    terminal.show(terminal.api.post(path, AbTestRead, {"reason": note}), render_test)


def _live(terminal: Terminal, cycle: Any) -> str:
    found = find_cycle(terminal.api, cycle).value
    for test in terminal.api.get(f"/cycles/{found.id}/ab-tests", list[AbTestRead]).value:
        if test.state in LIVE:
            return str(test.id)
    raise Failure(
        "conflict",
        f"no A/B test of {found.model} runs; start one with 'tuneloop abtest start {found.model}'",
        exit_code=ExitCode.CONFLICT,
    )


def render_test(test: AbTestRead) -> Group:
    arms = ARMS(test.reading["arms"].items()) if test.reading else None
    return stack(TEST(test), arms, *(bullets(test.says)))


def _state(test: AbTestRead) -> str:
    if test.ended_at is None:
        return test.state
    return f"{test.state} by {test.ended_by} {moment(test.ended_at)}: {test.reason}"


TEST = Facts[AbTestRead](
    ("Test", lambda it: it.id),
    ("Of", lambda it: f"{it.candidate} against {it.production}"),
    ("State", _state),
    ("Share", lambda it: f"{figures.percent(it.share)} of the people"),
    ("Started", lambda it: f"{moment(it.created_at)} by {it.started_by}"),
    ("Ends", lambda it: None if it.ended_at else it.ends_at),
)
ARMS = Rows[tuple[str, ArmRead]](
    text("Arm", lambda it: Text(it[0].capitalize())),
    right("Answers", lambda it: it[1]["answers"]),
    right("People", lambda it: it[1]["people"]),
    right("Accuracy", lambda it: figures.rate(it[1]["accuracy"])),
    right("People who report errors", lambda it: figures.rate(it[1]["reports"])),
    right("Hallucination or no label", lambda it: figures.rate(it[1]["hallucination"])),
)
