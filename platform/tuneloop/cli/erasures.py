"""`tuneloop erase`: take text of people away for good. Each command shows what would go, then asks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.cli.follow import follow_job
from tuneloop.cli.render import Facts, Rows, plain, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.erasure.schemas import ErasureRead
from tuneloop.kit.api_client import CHUNK_BYTES, Reply
from tuneloop.tables import ErasureState

app = typer.Typer()
takeout = typer.Typer()

Reason = Annotated[str, typer.Option(help="Why, without naming the person.")]
ClientOption = Annotated[str | None, typer.Option("--client", help="Look through this client's data alone.")]
To = Annotated[Path, typer.Option("--to", dir_okay=False, help="ZIP file to write.")]
Yes = Annotated[bool, typer.Option("--yes", help="Erase without asking; a script is shown what would go otherwise.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the work on the server.")]
Request = Annotated[UUID, typer.Argument(metavar="ERASURE", help="The request's id.")]


@command(app, "text")
def erase_text(
    terminal: Terminal,
    target: Annotated[str, typer.Argument(metavar="TEXT")],
    reason: Reason,
    client: ClientOption = None,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Erase what holds this text, an address or a number, with all that belongs to it."""
    _erase(terminal, {"kind": "text", "target": target, "client": client, "reason": reason}, yes=yes, wait=wait)


@command(app, "answer")
def erase_answer(
    terminal: Terminal,
    answer: Annotated[str, typer.Argument(metavar="COMPLETION")],
    reason: Reason,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Erase one answer with its question, feedback, labels and examples."""
    _erase(terminal, {"kind": "answer", "target": answer, "reason": reason}, yes=yes, wait=wait)


@command(app, "user")
def erase_user(
    terminal: Terminal,
    person: Annotated[str, typer.Argument(metavar="USER", help="The id sent as `user`.")],
    reason: Reason,
    client: ClientOption = None,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Erase all that one end user asked, was answered and reported."""
    _erase(terminal, {"kind": "end_user", "target": person, "client": client, "reason": reason}, yes=yes, wait=wait)


@command(app, "client")
def erase_client(
    terminal: Terminal,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    reason: Reason,
    keep: Annotated[list[str] | None, typer.Option(help="versions or reports; may be repeated.")] = None,
    yes: Yes = False,
    wait: Wait = True,
) -> None:
    """Erase a client that has left. Invoices and figures of usage stay, as tax law asks."""
    _erase(terminal, {"kind": "client", "client": client, "keep": keep or [], "reason": reason}, yes=yes, wait=wait)


@command(takeout, "client")
def export_client(terminal: Terminal, client: Annotated[str, typer.Argument(metavar="CLIENT")], to: To) -> None:
    """All that is one client's."""
    _export(terminal, {"kind": "client", "client": client}, to)


@command(takeout, "user")
def export_user(
    terminal: Terminal,
    person: Annotated[str, typer.Argument(metavar="USER", help="The id sent as `user`.")],
    to: To,
    client: ClientOption = None,
) -> None:
    """All that one end user asked, was answered and reported."""
    _export(terminal, {"kind": "end_user", "target": person, "client": client}, to)


@command(takeout, "text")
def export_text(
    terminal: Terminal, target: Annotated[str, typer.Argument(metavar="TEXT")], to: To, client: ClientOption = None
) -> None:
    """All that holds this text, an address or a number, with what belongs to it."""
    _export(terminal, {"kind": "text", "target": target, "client": client}, to)


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Requests and receipts, newest first."""
    terminal.show(terminal.api.get("/erasures", list[ErasureRead]), ERASURES)


@command(app, "show")
def show(
    terminal: Terminal,
    erasure: Request,
    to: Annotated[Path | None, typer.Option("--to", dir_okay=False, help="Write the receipt to this file.")] = None,
) -> None:
    """What a request would take, or its receipt once it is done."""
    reply = terminal.api.get(f"/erasures/{erasure}", ErasureRead)
    if to is not None:
        to.write_text(reply.value.model_dump_json(indent=2), encoding="utf-8")
        terminal.out.note(f"wrote {to}")
    terminal.show(reply, render)


@command(app, "confirm")
def confirm(terminal: Terminal, erasure: Request, wait: Wait = True) -> None:
    """Erase for good what a request found."""
    _confirm(terminal, erasure, wait=wait)


@command(app, "cancel")
def cancel(terminal: Terminal, erasure: Request) -> None:
    """Erase nothing, and forget what was looked for."""
    terminal.show(terminal.api.post(f"/erasures/{erasure}/cancel", ErasureRead), render)


def _export(terminal: Terminal, body: Mapping[str, Any], to: Path) -> None:
    partial = to.with_name(f"{to.name}.partial")
    with terminal.api.download("/exports", body) as response, partial.open("wb") as file:
        for chunk in response.iter_bytes(CHUNK_BYTES):
            file.write(chunk)
    partial.replace(to)
    terminal.out.note(f"wrote {to}")


def _erase(terminal: Terminal, body: Mapping[str, Any], *, yes: bool, wait: bool) -> None:
    asked = terminal.api.post("/erasures", ErasureRead, body)
    if not wait:
        terminal.show(asked, render)
        return
    preview = _when_done(terminal, asked.value)
    if not yes:
        terminal.show(preview, render)
        if terminal.out.json or not typer.confirm("Erase this for good?"):
            return
    _confirm(terminal, preview.value.id, wait=True)


def _confirm(terminal: Terminal, erasure: UUID, *, wait: bool) -> None:
    confirmed = terminal.api.post(f"/erasures/{erasure}/confirm", ErasureRead)
    terminal.show(_when_done(terminal, confirmed.value) if wait else confirmed, render)


def _when_done(terminal: Terminal, request: ErasureRead) -> Reply[ErasureRead]:
    """Watch the request's job, then read it again."""
    if request.job_id is not None and request.state in {ErasureState.COUNTING, ErasureState.ERASING}:
        follow_job(terminal, request.job_id)
    return terminal.api.get(f"/erasures/{request.id}", ErasureRead)


def render(found: ErasureRead) -> Group:
    done = found.state is ErasureState.DONE
    counted, verb = (found.erased, "erased") if done else (found.found, "would be erased")
    places = [Text(f"  {plain(name.replace('_', ' '))}: {n}") for name, n in sorted(counted.items())]
    learned = [
        Text(f"  {plain(each.model)}@v{each.version}{', in production' if each.production else ''}")
        for each in found.versions
    ]
    parts: list[Any] = [ERASURE(found), Text(f"{sum(counted.values())} rows and files {verb}"), *places]
    if learned:
        models = sorted({each.model for each in found.versions})
        advice = ", ".join(f"tuneloop retrain {plain(model)}" for model in models)
        parts += [Text(f"Versions that learned from it keep what they learned; train without it: {advice}"), *learned]
    return stack(*parts)


ERASURES = Rows[ErasureRead](
    whole("Erasure", lambda it: it.id),
    whole("Kind", lambda it: it.kind.replace("_", " ")),
    whole("State", lambda it: it.state),
    text("Reason", lambda it: it.reason),
    text("Requested by", lambda it: it.requested_by),
    whole("Requested", lambda it: it.requested_at),
    whole("Done", lambda it: it.finished_at),
)
ERASURE = Facts[ErasureRead](
    ("Erasure", lambda it: it.id),
    ("Kind", lambda it: it.kind.replace("_", " ")),
    ("State", lambda it: it.state),
    ("Reason", lambda it: it.reason),
    ("Requested", lambda it: f"{it.requested_at:%Y-%m-%d %H:%M} by {it.requested_by}"),
    ("Confirmed", lambda it: f"{it.confirmed_at:%Y-%m-%d %H:%M} by {it.confirmed_by}" if it.confirmed_at else None),
    ("Done", lambda it: it.finished_at),
    ("Receipt", lambda it: it.receipt_sha256),
)
