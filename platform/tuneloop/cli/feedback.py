"""`tuneloop feedback`: what users said about answers, and what becomes of their corrections."""

from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.arguments import FeedbackKind, FeedbackState, Model, Pool
from tuneloop.cli.failure import Failure
from tuneloop.cli.http import model_path
from tuneloop.cli.output import facts, last_message, right, stack, table, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.registry.names import ModelName

app = typer.Typer(no_args_is_help=True, help="Ratings, error reports and corrections of answers.")

Feedback = Annotated[UUID, typer.Argument(metavar="FEEDBACK", help="The feedback's id.")]


@command(app, "send")
def send(
    terminal: Terminal,
    completion: Annotated[str, typer.Argument(metavar="COMPLETION", help="Id of the answer: chatcmpl-…")],
    rating: Annotated[int | None, typer.Option(help="1 (useless) to 5 (perfect).", min=1, max=5)] = None,
    correction: Annotated[str | None, typer.Option(help="The right answer.")] = None,
    error: Annotated[bool, typer.Option("--error", help="Report that the answer is wrong.")] = False,
    comment: Annotated[str | None, typer.Option(help="In your words.")] = None,
    reporter: Annotated[str | None, typer.Option(help="Who reports.")] = None,
) -> None:
    """Rate an answer, correct it, or report an error in it."""
    if [rating is not None, correction is not None, error].count(True) != 1:
        raise typer.BadParameter("give one of --rating, --correction, --error")
    kind = "rating" if rating is not None else "correction" if correction is not None else "error"
    body = {
        "id": completion,
        "kind": kind,
        "rating": rating,
        "correction": correction,
        "comment": comment,
        "reporter": reporter,
    }
    terminal.out.show(terminal.api.post("/v1/feedback", body), render_feedback)


@command(app, "list")
def index(
    terminal: Terminal,
    model: Model,
    kind: Annotated[FeedbackKind | None, typer.Option(help="Only this kind.")] = None,
    state: Annotated[FeedbackState | None, typer.Option(help="Only in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    before: Annotated[UUID | None, typer.Option(metavar="ID", help="The page after this one.")] = None,
) -> None:
    """Feedback beside the answers it is about, newest first."""
    query = {"kind": kind, "feedback_state": state, "limit": limit, "before": before}
    terminal.out.show(terminal.api.get(_path(model), **query), render_page)


@command(app, "accept")
def accept(
    terminal: Terminal,
    model: Model,
    feedback: Annotated[list[UUID], typer.Argument(metavar="FEEDBACK...", help="One or more ids.")],
    pool: Annotated[Pool, typer.Option(help="What the examples may be used for.")] = "training",
) -> None:
    """Make corrections examples. Of several, those that cannot be are named, and the exit code is 1."""
    if len(feedback) == 1:
        one = terminal.api.post(f"{_path(model)}/{feedback[0]}/accept", {"pool": pool})
        terminal.out.show(one, lambda made: f"example {made['example_id']} is in the {made['pool']} pool")
        return
    reply = terminal.api.post(f"{_path(model)}/accept", {"ids": [str(each) for each in feedback], "pool": pool})
    terminal.out.show(reply, lambda done: f"{len(done['accepted'])} examples are in the {pool} pool")
    if refused := reply.value["refused"]:
        raise Failure(
            "refused",
            f"{len(refused)} of {len(feedback)} corrections were not accepted and stay open",
            details={"refused": [{"field": each["feedback_id"], "problem": each["reason"]} for each in refused]},
        )


@command(app, "dismiss")
def dismiss(terminal: Terminal, model: Model, feedback: Feedback) -> None:
    """Close feedback without consequence."""
    terminal.out.show(terminal.api.post(f"{_path(model)}/{feedback}/dismiss"), render_feedback)


def render_page(page: dict[str, Any]) -> Group:
    listed = table(
        whole("Feedback"),
        whole("Kind"),
        whole("State"),
        "Message",
        "Answer",
        right("Confidence"),
        "Said",
        rows=[
            (
                each["feedback"]["id"],
                each["feedback"]["kind"],
                each["feedback"]["state"],
                last_message(each["prediction"]["messages"], limit=80),
                each["prediction"]["answer"],
                figures.share(each["prediction"]["confidence"]),
                _said(each["feedback"]),
            )
            for each in page["items"]
        ],
    )
    return stack(listed, Text(f"More: --before {page['next']}", "dim") if page["next"] else None)


def render_feedback(feedback: dict[str, Any]) -> Table:
    return facts(
        [
            ("Feedback", feedback["id"]),
            ("Answer", feedback["completion"]),
            ("Kind", feedback["kind"]),
            ("Said", _said(feedback)),
            ("Reporter", feedback["reporter"]),
            ("State", feedback["state"]),
            ("At", figures.moment(feedback["at"])),
        ]
    )


def _said(feedback: dict[str, Any]) -> str:
    rating = f"{feedback['rating']} of 5" if feedback["rating"] is not None else None
    return "; ".join(part for part in (rating, feedback["correction"], feedback["comment"]) if part)


def _path(model: ModelName) -> str:
    return f"{model_path(model.client, model.model)}/feedback"
