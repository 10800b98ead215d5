"""`tuneloop report`: monthly reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.http import for_client
from tuneloop.cli.output import facts, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="Monthly reports to clients.")

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Short name, such as acme.")]
Month = Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-01.")]
Only = Annotated[str | None, typer.Option("--client", metavar="CLIENT", help="Only for this client.")]


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Reports of all clients, newest month first."""
    terminal.out.show(terminal.api.get("/reports"), render_reports)


@command(app, "prepare")
def prepare(terminal: Terminal, client: Client, month: Month) -> None:
    """Draft a month's report, or bring the draft up to date."""
    terminal.out.show(terminal.api.post(_path(client, month)), render_report)


@command(app, "show")
def show(terminal: Terminal, client: Client, month: Month) -> None:
    """A report in short; --json has everything that it shows."""
    terminal.out.show(terminal.api.get(_path(client, month)), render_report)


@command(app, "note")
def note(
    terminal: Terminal, client: Client, month: Month, text: Annotated[str, typer.Argument(help="Empty removes it.")]
) -> None:
    """Give a draft a note to the client."""
    terminal.out.show(terminal.api.put(f"{_path(client, month)}/note", {"note": text}), render_report)


@command(app, "approve")
def approve(
    terminal: Terminal,
    client: Client,
    month: Month,
    digest: Annotated[
        str | None, typer.Option(help="Of the content you looked at; the present one if left out.")
    ] = None,
) -> None:
    """Approve a report and send it."""
    if digest is None:
        digest = terminal.api.get(_path(client, month)).value["digest"]
    terminal.out.show(terminal.api.post(f"{_path(client, month)}/approve", {"digest": digest}), render_report)


@command(app, "pdf")
def pdf(
    terminal: Terminal,
    client: Client,
    month: Month,
    to: Annotated[Path | None, typer.Option(dir_okay=False, help="CLIENT-MONTH.pdf here when left out.")] = None,
) -> None:
    """Save the PDF."""
    target = to or Path(f"{client}-{month}.pdf")
    _save(terminal, f"{_path(client, month)}/pdf", target)


@command(app, "csv")
def numbers(
    terminal: Terminal,
    client: Client,
    month: Month,
    to: Annotated[Path | None, typer.Option(dir_okay=False, help="CLIENT-MONTH.csv here when left out.")] = None,
) -> None:
    """Save the numbers as a table."""
    target = to or Path(f"{client}-{month}.csv")
    _save(terminal, f"{_path(client, month)}/csv", target)


@command(app, "link")
def link(
    terminal: Terminal,
    client: Client,
    month: Month,
    revoke: Annotated[bool, typer.Option("--revoke", help="Instead, make all links to it stop working.")] = False,
) -> None:
    """A link for reading a report without an account."""
    path = f"{_path(client, month)}/links"
    if revoke:
        terminal.out.show(terminal.api.delete(path), lambda answer: f"{answer['revoked']} links stopped working")
    else:
        terminal.out.show(
            terminal.api.post(path), lambda made: f"{made['url']}\nworks until {figures.moment(made['expires_at'])}"
        )


@command(app, "style")
def style(
    terminal: Terminal,
    client: Only = None,
    language: Annotated[str | None, typer.Option(help="en or de.")] = None,
    page_size: Annotated[str | None, typer.Option(help="A4 or Letter.")] = None,
    brand: Annotated[str | None, typer.Option(help="Name on the report.")] = None,
    accent: Annotated[str | None, typer.Option(help="Colour, such as #2457c5.")] = None,
    font: Annotated[str | None, typer.Option(help="sans or serif.")] = None,
    footer: Annotated[str | None, typer.Option(help="Address line of each page.")] = None,
    website: Annotated[str | None, typer.Option(help="Beside the address line.")] = None,
    examples: Annotated[bool | None, typer.Option("--examples/--no-examples", help="Show fixed examples.")] = None,
    approve_by_itself: Annotated[
        bool | None, typer.Option("--send-unapproved/--ask-first", help="Send at month's end without asking.")
    ] = None,
    link_days: Annotated[int | None, typer.Option(help="Days that links in mails work.")] = None,
    recipient: Annotated[
        list[str] | None, typer.Option(metavar="'NAME <E-MAIL>'", help="Further recipient. May be repeated.")
    ] = None,
) -> None:
    """Show or change how reports look and who gets them."""
    named = {
        "language": language,
        "page_size": page_size,
        "brand": brand,
        "accent": accent,
        "font": font,
        "footer": footer,
        "website": website,
        "show_examples": examples,
        "approve_by_itself": approve_by_itself,
        "link_days": link_days,
        "further_recipients": [_recipient(text) for text in recipient] if recipient else None,
    }
    changes = {name: value for name, value in named.items() if value is not None}
    found = (
        terminal.api.patch(for_client("/report-style", client), changes)
        if changes
        else terminal.api.get("/report-style", client=client)
    )
    terminal.out.show(found, render_style)


@command(app, "logo")
def logo(
    terminal: Terminal,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="PNG or JPEG.")],
    client: Only = None,
) -> None:
    """Put a logo on reports."""
    reply = terminal.api.upload(
        "/report-style/logo", [file.read_bytes()], media_type="application/octet-stream", client=client
    )
    terminal.out.show(reply, render_style)


def render_reports(reports: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Client"),
        whole("Month"),
        "State",
        "Approved by",
        "Delivered",
        rows=[
            (
                each["client"],
                each["month"],
                each["state"],
                each["approved_by"] or "",
                figures.moment(each["delivered_at"]) if each["delivered_at"] else "",
            )
            for each in reports
        ],
    )


def render_report(report: dict[str, Any]) -> Table:
    return facts(
        [
            ("Report", f"{report['client']} {report['month']}"),
            ("State", report["state"]),
            ("In short", f"{report['light']}: {report['headline']}"),
            ("Note", report["note"]),
            ("PDF", f"{report['pages']} pages" if report["pages"] else "being made"),
            ("Digest", report["digest"]),
            ("Approved by", report["approved_by"] or ""),
            ("Mail", "\n".join(f"{mail['recipient_email']}: {mail['state']}" for mail in report["mails"])),
        ]
    )


def render_style(style: dict[str, Any]) -> Table:
    shown = {name: value for name, value in style.items() if name != "further_recipients"}
    people = "\n".join(f"{each['name']} <{each['email']}>" for each in style["further_recipients"])
    rows = [(name.replace("_", " "), "" if value is None else str(value)) for name, value in shown.items()]
    return facts([*rows, ("further recipients", people)])


def _save(terminal: Terminal, path: str, target: Path) -> None:
    with terminal.api.download(path) as response:
        target.write_bytes(response.read())
    terminal.out.say(f"saved {target}")


def _recipient(text: str) -> dict[str, str]:
    name, opened, rest = text.partition("<")
    if not opened or not rest.endswith(">"):
        raise typer.BadParameter(f"{text!r} is not 'NAME <E-MAIL>'")
    return {"name": name.strip(), "email": rest.removesuffix(">").strip()}


def _path(client: str, month: str) -> str:
    return f"/clients/{client}/reports/{month}"
