"""`tuneloop shadow`: a cycle's candidate answers some of production's questions too, seen by nobody."""

from typing import Annotated, Any

import typer
from rich.console import Group

from tuneloop.cli.arguments import Cycle, Note, NoWait
from tuneloop.cli.cycles import find_cycle
from tuneloop.cli.decisions import digest_in_question
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.jobs import show_job
from tuneloop.cli.render import Facts, bullets, moment, stack
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit import figures
from tuneloop.kit.jobs.reading import JobRead
from tuneloop.shadow_tests.schemas import ANSWERS, DAYS, LABELS, SHARE, ShadowTestRead
from tuneloop.tables import ApprovalKind, ShadowState

app = typer.Typer()

LIVE = (ShadowState.STARTING, ShadowState.RUNNING)


@command(app, "start")
def start(
    terminal: Terminal,
    cycle: Cycle,
    share: Annotated[float, typer.Option(metavar="PERCENT", help="Of the questions; 1 to 100.")] = 100 * SHARE,
    answers: Annotated[int, typer.Option(help="How many it gives at most, spread over the days.")] = ANSWERS,
    days: Annotated[int, typer.Option(help="How long it runs.")] = DAYS,
    labels: Annotated[int, typer.Option(help="Differences that people are asked to label.")] = LABELS,
) -> None:
    """Have a candidate that waits for promotion answer some of production's questions too. Nobody sees its answers."""
    found = find_cycle(terminal.api, cycle).value
    digest = digest_in_question(found, ApprovalKind.PROMOTION)
    body = {"digest": digest, "share": share / 100, "answers": answers, "days": days, "labels": labels}
    terminal.show(terminal.api.post(f"/cycles/{found.id}/shadow-tests", ShadowTestRead, body), render_test)


@command(app, "status")
def status(terminal: Terminal, cycle: Cycle) -> None:
    """Shadow tests of a cycle's candidate, newest first: how often both agree, and who is right where they don't."""
    terminal.show(_tests(terminal, cycle), lambda listed: stack(*map(render_test, listed)))


@command(app, "read")
def read(terminal: Terminal, cycle: Cycle, no_wait: NoWait = False) -> None:
    """Compare what came in now instead of within ten minutes, and ask people about differences."""
    for test in _tests(terminal, cycle).value:
        show_job(terminal, terminal.api.post(f"/shadow-tests/{test.id}/readings", JobRead), wait=not no_wait)
        return
    raise _none()


@command(app, "stop")
def stop(terminal: Terminal, cycle: Cycle, note: Note = None) -> None:
    """Put no more questions to the candidate. It still waits for a decision."""
    for test in _tests(terminal, cycle).value:
        if test.state in LIVE:
            path = f"/shadow-tests/{test.id}/stop"
            terminal.show(terminal.api.post(path, ShadowTestRead, {"reason": note}), render_test)
            return
    raise _none()


def _tests(terminal: Terminal, cycle: Any) -> Any:
    found = find_cycle(terminal.api, cycle).value
    return terminal.api.get(f"/cycles/{found.id}/shadow-tests", list[ShadowTestRead])


def _none() -> Failure:
    return Failure(
        "conflict",
        "no shadow test of this candidate runs; start one with 'tuneloop shadow start'",
        exit_code=ExitCode.CONFLICT,
    )


def render_test(test: ShadowTestRead) -> Group:
    return stack(TEST(test), *(bullets(test.says)))


def _state(test: ShadowTestRead) -> str:
    if test.ended_at is None:
        return test.state
    return f"{test.state} by {test.ended_by} {moment(test.ended_at)}: {test.reason}"


TEST = Facts[ShadowTestRead](
    ("Test", lambda it: it.id),
    ("Of", lambda it: f"{it.candidate} behind {it.production}"),
    ("State", _state),
    ("Share", lambda it: f"{figures.percent(it.share)} of the questions"),
    ("Answers", lambda it: f"{it.asked:,} of at most {it.answers:,}"),
    ("Started", lambda it: f"{moment(it.created_at)} by {it.started_by}"),
    ("Ends", lambda it: None if it.ended_at else it.ends_at),
)
