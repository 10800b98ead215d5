"""`tuneloop feedback`: what users said about answers, and what becomes of their corrections."""

from typing import Annotated
from uuid import UUID

import typer
from rich.console import Group

from tuneloop.cli.arguments import Model, path_of
from tuneloop.cli.failure import Failure
from tuneloop.cli.render import Facts, Rows, last_message, page, right, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit.figures import number
from tuneloop.predictions.schemas import AcceptedRead, BulkAccepted, FeedbackRead, ReportedPage, ReportedRead
from tuneloop.tables import FeedbackKind, FeedbackState, Pool

app = typer.Typer()

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
    kinds = {
        FeedbackKind.RATING: rating is not None,
        FeedbackKind.CORRECTION: correction is not None,
        FeedbackKind.ERROR: error,
    }
    said = [kind for kind, meant in kinds.items() if meant]
    if len(said) != 1:
        raise typer.BadParameter("give one of --rating, --correction, --error")
    body = {
        "id": completion,
        "kind": said[0],
        "rating": rating,
        "correction": correction,
        "comment": comment,
        "reporter": reporter,
    }
    terminal.show(terminal.api.post("/v1/feedback", FeedbackRead, body), FEEDBACK)


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
    terminal.show(terminal.api.get(f"{path_of(model)}/feedback", ReportedPage, **query), render_page)


@command(app, "accept")
def accept(
    terminal: Terminal,
    model: Model,
    feedback: Annotated[list[UUID], typer.Argument(metavar="FEEDBACK...", help="One or more ids.")],
    pool: Annotated[Pool, typer.Option(help="What the examples may be used for.")] = Pool.TRAINING,
) -> None:
    """Make corrections examples. Of several, those that cannot be are named, and the exit code is 1."""
    path = f"{path_of(model)}/feedback"
    if len(feedback) == 1:
        one = terminal.api.post(f"{path}/{feedback[0]}/accept", AcceptedRead, {"pool": pool})
        terminal.show(one, lambda made: f"example {made.example_id} is in the {made.pool} pool")
        return
    reply = terminal.api.post(f"{path}/accept", BulkAccepted, {"ids": [str(each) for each in feedback], "pool": pool})
    terminal.show(reply, lambda done: f"{len(done.accepted)} examples are in the {pool} pool")
    if refused := reply.value.refused:
        raise Failure(
            "refused",
            f"{len(refused)} of {len(feedback)} corrections were not accepted and stay open",
            details={"refused": [{"field": each.feedback_id, "problem": each.reason} for each in refused]},
        )


@command(app, "dismiss")
def dismiss(terminal: Terminal, model: Model, feedback: Feedback) -> None:
    """Close feedback without consequence."""
    terminal.show(terminal.api.post(f"{path_of(model)}/feedback/{feedback}/dismiss", FeedbackRead), FEEDBACK)


def render_page(found: ReportedPage) -> Group:
    return page(REPORTED(found.items), option="--before", following=found.next)


def _said(feedback: FeedbackRead) -> str:
    rating = f"{feedback.rating} of 5" if feedback.rating is not None else None
    return "; ".join(part for part in (rating, feedback.correction, feedback.comment) if part)


REPORTED = Rows[ReportedRead](
    whole("Feedback", lambda it: it.feedback.id),
    whole("Kind", lambda it: it.feedback.kind),
    whole("State", lambda it: it.feedback.state),
    text("Message", lambda it: last_message(it.prediction.messages)),
    text("Answer", lambda it: it.prediction.answer),
    right("Confidence", lambda it: number(it.prediction.confidence, ".2f")),
    text("Said", lambda it: _said(it.feedback)),
)
FEEDBACK = Facts[FeedbackRead](
    ("Feedback", lambda it: it.id),
    ("Answer", lambda it: it.completion),
    ("Kind", lambda it: it.kind),
    ("Said", _said),
    ("Reporter", lambda it: it.reporter),
    ("State", lambda it: it.state),
    ("At", lambda it: it.at),
)
