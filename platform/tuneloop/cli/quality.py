"""`tuneloop finding`, `document`, `link`: suspicious examples, documents that propose some, links for clients."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.arguments import Model, NoWait
from tuneloop.cli.follow import follow_job
from tuneloop.cli.http import model_path
from tuneloop.cli.jobs import render_job
from tuneloop.cli.output import facts, last_message, right, stack, table, whole
from tuneloop.cli.wiring import Terminal, command

finding = typer.Typer(no_args_is_help=True, help="What is suspicious about training examples; open ones do not train.")
document = typer.Typer(no_args_is_help=True, help="Documentation and SOPs from which examples are proposed.")
link = typer.Typer(no_args_is_help=True, help="Links with which clients correct answers, without an account.")

FindingId = Annotated[UUID, typer.Argument(metavar="FINDING", help="The finding's id.")]


@command(finding, "list")
def findings(
    terminal: Terminal,
    model: Model,
    settled: Annotated[bool, typer.Option("--settled", help="Settled ones too.")] = False,
) -> None:
    """Conflicts, suspected errors, duplicates and personal data."""
    path = f"{model_path(model.client, model.model)}/findings"
    terminal.out.show(terminal.api.get(path, settled=str(settled).lower()), render_findings)


@command(finding, "scan")
def scan(terminal: Terminal, model: Model, no_wait: NoWait = False) -> None:
    """Look at the training examples now."""
    reply = terminal.api.post(f"{model_path(model.client, model.model)}/findings")
    terminal.out.show(reply if no_wait else follow_job(terminal, reply.value["id"]), render_job)


@command(finding, "dismiss")
def dismiss(
    terminal: Terminal, found: FindingId, reason: Annotated[str, typer.Option(help="Why it may train all the same.")]
) -> None:
    """Let the example train as it is."""
    terminal.out.show(terminal.api.post(f"/findings/{found}/dismiss", {"reason": reason}), _settled)


@command(finding, "fix")
def fix(
    terminal: Terminal,
    found: FindingId,
    expected: Annotated[str | None, typer.Option(help="The right answer; left out, the example is deleted.")] = None,
) -> None:
    """Give the example another answer, or delete it."""
    terminal.out.show(terminal.api.post(f"/findings/{found}/fix", {"expected": expected}), _settled)


@command(finding, "placeholders")
def placeholders(terminal: Terminal, found: FindingId) -> None:
    """Replace the personal data that was found by placeholders such as <EMAIL>."""
    terminal.out.show(terminal.api.post(f"/findings/{found}/placeholders"), _settled)


@command(document, "list")
def documents(terminal: Terminal, model: Model) -> None:
    """Documents and what became of their proposals."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/documents"), render_documents)


@command(document, "add")
def add(
    terminal: Terminal,
    model: Model,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Text or Markdown.")],
    title: Annotated[str | None, typer.Option(help="The file's name when left out.")] = None,
) -> None:
    """Propose examples from a text; they wait in the review queue."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file.name} is not UTF-8 text; save it as Markdown or plain text") from None
    body = {"title": title or file.stem, "text": text}
    reply = terminal.api.post(f"{model_path(model.client, model.model)}/documents", body)
    terminal.out.show(reply, _proposed)


@command(link, "list")
def links(terminal: Terminal, model: Model) -> None:
    """Links for the client."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/links"), render_links)


@command(link, "add")
def create(
    terminal: Terminal, model: Model, days: Annotated[int, typer.Option(min=1, max=180, help="How long it lives.")] = 30
) -> None:
    """Make a link; its address is shown once."""
    reply = terminal.api.post(f"{model_path(model.client, model.model)}/links", {"days": days})
    terminal.out.show(reply, lambda made: made["url"])


@command(link, "revoke")
def revoke(terminal: Terminal, found: Annotated[UUID, typer.Argument(metavar="LINK", help="The link's id.")]) -> None:
    """End a link."""
    terminal.out.show(terminal.api.delete(f"/links/{found}"), lambda ended: f"link {ended['id']} is revoked")


def render_findings(found: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Finding"),
        whole("Kind"),
        "Why",
        "Message",
        "Answer",
        rows=[
            (
                each["finding"]["id"],
                each["finding"]["kind"],
                each["finding"]["summary"],
                last_message(each["example"]["messages"], limit=80),
                each["example"]["expected"],
            )
            for each in found
        ],
    )


def render_documents(found: Sequence[dict[str, Any]]) -> Table:
    return table(
        "Title",
        whole("Added"),
        "By",
        right("Proposed"),
        right("Waiting"),
        right("Confirmed"),
        rows=[
            (
                each["title"],
                figures.moment(each["added_at"]),
                each["added_by"],
                each["proposed"],
                each["waiting"],
                each["confirmed"],
            )
            for each in found
        ],
    )


def render_links(found: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Link"),
        "Made by",
        whole("Until"),
        right("Uses"),
        "",
        rows=[
            (
                each["id"],
                each["created_by"],
                figures.moment(each["expires_at"]),
                each["uses"],
                "revoked" if each["revoked_at"] else "",
            )
            for each in found
        ],
    )


def render_growth(grown: dict[str, Any]) -> Group:
    months = table(
        whole("Month"),
        "Added",
        right("Total"),
        rows=[
            (each["month"], ", ".join(f"{n} {source}" for source, n in each["added"].items()), each["total"])
            for each in grown["months"]
        ],
    )
    guide = f"{grown['guide']['low']}-{grown['guide']['high']}"
    head = facts(
        [
            ("Examples", grown["total"]),
            ("Guide by now", guide),
            ("Held back", grown["blocked"]),
            ("To be checked", grown["unchecked"]),
            ("", grown["advice"]),
        ]
    )
    return stack(head, months)


def render_ledger(moves: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("At"),
        "By",
        whole("Example"),
        "From",
        "To",
        rows=[
            (
                figures.moment(each["at"]),
                each["actor"],
                each["example_id"] or f"{each['n']} imported",
                each["before"] or each["source"],
                each["after"] or "deleted",
            )
            for each in moves
        ],
    )


def render_lineage(found: dict[str, Any]) -> Group:
    example = found["example"]
    head = facts(
        [
            ("Example", example["id"]),
            ("Set", example["pool"]),
            ("Message", last_message(example["messages"], limit=400)),
            ("Answer", example["expected"]),
            ("Source", example["source"]),
            ("Added by", found["added_by"]),
            ("From answer", found["completion"]),
            ("Asked because", "; ".join(found["reasons"])),
            ("Labels", "; ".join(f"{each['labeller']}: {each['expected']}" for each in found["labels"])),
            ("Seen by", ", ".join(found["seen_by_versions"]) or "no version"),
        ]
    )
    return stack(head, render_ledger(found["moves"]) if found["moves"] else None)


def _settled(row: dict[str, Any]) -> Text:
    return Text(f"finding {row['id']} is {row['state']}")


def _proposed(made: dict[str, Any]) -> Text:
    if made["job_id"]:
        return Text(f"production is asked what it would answer; follow it with 'tuneloop job follow {made['job_id']}'")
    return Text(f"{made['proposed']} examples are proposed; confirm them in the review queue")
