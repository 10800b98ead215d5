"""`tuneloop finding`, `document`, `link`: suspicious examples, documents that propose some, links for clients."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.text import Text

from tuneloop.cli.arguments import Model, NoWait, path_of
from tuneloop.cli.jobs import show_job
from tuneloop.cli.render import Rows, last_message, right, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.datasets.quality_schemas import FindingRead, SettledRead, SuspectRead
from tuneloop.datasets.settlement import Settlement
from tuneloop.kit.jobs.reading import JobRead
from tuneloop.review.sources_schemas import CorrectionLinkRead, DocumentRead, NewLinkRead, ProposedRead

finding = typer.Typer()
document = typer.Typer()
link = typer.Typer()

FindingId = Annotated[UUID, typer.Argument(metavar="FINDING", help="The finding's id.")]


@command(finding, "list")
def findings(
    terminal: Terminal,
    model: Model,
    settled: Annotated[bool, typer.Option("--settled", help="Settled ones too.")] = False,
) -> None:
    """Conflicts, suspected errors, duplicates and personal data."""
    terminal.show(terminal.api.get(f"{path_of(model)}/findings", list[SuspectRead], settled=settled), FINDINGS)


@command(finding, "scan")
def scan(terminal: Terminal, model: Model, no_wait: NoWait = False) -> None:
    """Look at the training examples now."""
    show_job(terminal, terminal.api.post(f"{path_of(model)}/findings", JobRead), wait=not no_wait)


@command(finding, "dismiss")
def dismiss(
    terminal: Terminal, found: FindingId, reason: Annotated[str, typer.Option(help="Why it may train all the same.")]
) -> None:
    """Let the example train as it is."""
    terminal.show(terminal.api.post(f"/findings/{found}/dismiss", FindingRead, {"reason": reason}), _settled)


@command(finding, "fix")
def fix(
    terminal: Terminal,
    found: FindingId,
    expected: Annotated[str | None, typer.Option(help="The right answer; left out, the example is deleted.")] = None,
) -> None:
    """Give the example another answer, or delete it."""
    terminal.show(terminal.api.post(f"/findings/{found}/fix", FindingRead, {"expected": expected}), _settled)


@command(finding, "settle")
def settle(
    terminal: Terminal,
    model: Model,
    found: Annotated[list[UUID], typer.Argument(metavar="FINDING...", help="Ids of findings of this model.")],
    by: Annotated[Settlement, typer.Option(help="What becomes of each example.")],
    reason: Annotated[str, typer.Option(help="Why they may train as they are; needed to keep them.")] = "",
) -> None:
    """Decide several findings alike. Those that the decision does not fit stay open."""
    body = {"findings": [str(each) for each in found], "settlement": by, "reason": reason}
    terminal.show(terminal.api.post(f"{path_of(model)}/findings/settle", SettledRead, body), _all_settled)


@command(finding, "placeholders")
def placeholders(terminal: Terminal, found: FindingId) -> None:
    """Replace the personal data that was found by placeholders such as <EMAIL>."""
    terminal.show(terminal.api.post(f"/findings/{found}/placeholders", FindingRead), _settled)


@command(document, "list")
def documents(terminal: Terminal, model: Model) -> None:
    """Documents and what became of their proposals."""
    terminal.show(terminal.api.get(f"{path_of(model)}/documents", list[DocumentRead]), DOCUMENTS)


@command(document, "add")
def add(
    terminal: Terminal,
    model: Model,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Text or Markdown.")],
    title: Annotated[str | None, typer.Option(help="The file's name when left out.")] = None,
) -> None:
    """Propose examples from a text; they wait in the review queue."""
    try:
        written = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file.name} is not UTF-8 text; save it as Markdown or plain text") from None
    body = {"title": title or file.stem, "text": written}
    terminal.show(terminal.api.post(f"{path_of(model)}/documents", ProposedRead, body), _proposed)


@command(link, "list")
def links(terminal: Terminal, model: Model) -> None:
    """Links for the client."""
    terminal.show(terminal.api.get(f"{path_of(model)}/links", list[CorrectionLinkRead]), LINKS)


@command(link, "add")
def create(
    terminal: Terminal, model: Model, days: Annotated[int, typer.Option(min=1, max=180, help="How long it lives.")] = 30
) -> None:
    """Make a link; its address is shown once."""
    terminal.show(terminal.api.post(f"{path_of(model)}/links", NewLinkRead, {"days": days}), lambda made: made.url)


@command(link, "revoke")
def revoke(terminal: Terminal, found: Annotated[UUID, typer.Argument(metavar="LINK", help="The link's id.")]) -> None:
    """End a link."""
    terminal.show(
        terminal.api.delete(f"/links/{found}", CorrectionLinkRead), lambda ended: f"link {ended.id} is revoked"
    )


def _settled(found: FindingRead) -> str:
    return f"finding {found.id} is {found.state}"


def _all_settled(done: SettledRead) -> Text:
    left = "".join(f"\n{each.finding_id} stays open: {each.why}" for each in done.left)
    return Text(f"{done.settled} settled{left}")


def _proposed(made: ProposedRead) -> Text:
    if made.job_id:
        return Text(f"production is asked what it would answer; follow it with 'tuneloop job follow {made.job_id}'")
    return Text(f"{made.proposed} examples are proposed; confirm them in the review queue")


FINDINGS = Rows[SuspectRead](
    whole("Finding", lambda it: it.finding.id),
    whole("Kind", lambda it: it.finding.kind),
    text("Why", lambda it: it.finding.summary),
    text("Message", lambda it: last_message(it.example.messages)),
    text("Answer", lambda it: it.example.expected),
)
DOCUMENTS = Rows[DocumentRead](
    text("Title", lambda it: it.title),
    whole("Added", lambda it: it.added_at),
    text("By", lambda it: it.added_by),
    right("Proposed", lambda it: it.proposed),
    right("Waiting", lambda it: it.waiting),
    right("Confirmed", lambda it: it.confirmed),
)
LINKS = Rows[CorrectionLinkRead](
    whole("Link", lambda it: it.id),
    text("Made by", lambda it: it.created_by),
    whole("Until", lambda it: it.expires_at),
    right("Uses", lambda it: it.uses),
    text("", lambda it: "revoked" if it.revoked_at else ""),
)
