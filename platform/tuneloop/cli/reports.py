"""`tuneloop report`: monthly reports."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from tuneloop.cli.arguments import Client, contacts, given
from tuneloop.cli.render import Facts, Rows, facts, moment, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit import figures
from tuneloop_reports.schemas import LinksRevoked, ReportBrief, ReportLinkRead, ReportRead
from tuneloop_reports.style import Font, Language, PageSize, Style

app = typer.Typer()

Month = Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-01.")]
Only = Annotated[str | None, typer.Option("--client", metavar="CLIENT", help="Only for this client.")]


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Reports of all clients, newest month first."""
    terminal.show(terminal.api.get("/reports", list[ReportBrief]), REPORTS)


@command(app, "prepare")
def prepare(terminal: Terminal, client: Client, month: Month) -> None:
    """Draft a month's report, or bring the draft up to date."""
    terminal.show(terminal.api.post(_path(client, month), ReportRead), REPORT)


@command(app, "show")
def show(terminal: Terminal, client: Client, month: Month) -> None:
    """A report in short; --json has everything that it shows."""
    terminal.show(terminal.api.get(_path(client, month), ReportRead), REPORT)


@command(app, "note")
def note(
    terminal: Terminal, client: Client, month: Month, words: Annotated[str, typer.Argument(help="Empty removes it.")]
) -> None:
    """Give a draft a note to the client."""
    terminal.show(terminal.api.put(f"{_path(client, month)}/note", ReportRead, {"note": words}), REPORT)


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
    path = _path(client, month)
    approved = digest or terminal.api.get(path, ReportRead).value.digest
    terminal.show(terminal.api.post(f"{path}/approve", ReportRead, {"digest": approved}), REPORT)


@command(app, "pdf")
def pdf(
    terminal: Terminal,
    client: Client,
    month: Month,
    to: Annotated[Path | None, typer.Option(dir_okay=False, help="CLIENT-MONTH.pdf here when left out.")] = None,
) -> None:
    """Save the PDF."""
    _save(terminal, client, month, "pdf", to)


@command(app, "csv")
def csv(
    terminal: Terminal,
    client: Client,
    month: Month,
    to: Annotated[Path | None, typer.Option(dir_okay=False, help="CLIENT-MONTH.csv here when left out.")] = None,
) -> None:
    """Save the numbers as a table."""
    _save(terminal, client, month, "csv", to)


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
        ended = terminal.api.delete(path, LinksRevoked)
        terminal.show(ended, lambda answer: f"{answer.revoked} links stopped working")
    else:
        made = terminal.api.post(path, ReportLinkRead)
        terminal.show(made, lambda link: f"{link.url}\nworks until {moment(link.expires_at)}")


@command(app, "style")
def style(
    terminal: Terminal,
    client: Only = None,
    language: Annotated[Language | None, typer.Option(help="Of the report and its mail.")] = None,
    page_size: Annotated[PageSize | None, typer.Option(help="Of the PDF.")] = None,
    brand: Annotated[str | None, typer.Option(help="Name on the report.")] = None,
    accent: Annotated[str | None, typer.Option(help="Colour, such as #2457c5.")] = None,
    font: Annotated[Font | None, typer.Option(help="Of the PDF.")] = None,
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
    changes = given(
        language=language,
        page_size=page_size,
        brand=brand,
        accent=accent,
        font=font,
        footer=footer,
        website=website,
        show_examples=examples,
        approve_by_itself=approve_by_itself,
        link_days=link_days,
        further_recipients=contacts(recipient),
    )
    found = (
        terminal.api.patch("/report-style", Style, changes, client=client)
        if changes
        else terminal.api.get("/report-style", Style, client=client)
    )
    terminal.show(found, render_style)


@command(app, "logo")
def logo(
    terminal: Terminal,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="PNG or JPEG.")],
    client: Only = None,
) -> None:
    """Put a logo on reports."""
    reply = terminal.api.upload(
        "/report-style/logo", Style, file.read_bytes(), media_type="application/octet-stream", client=client
    )
    terminal.show(reply, render_style)


def render_style(style: Style) -> Table:
    people = "\n".join(f"{each.name} <{each.email}>" for each in style.further_recipients)
    chosen = style.model_dump(exclude={"further_recipients"})
    rows = [(figures.words(name), "" if value is None else str(value)) for name, value in chosen.items()]
    return facts([*rows, ("further recipients", people)])


def _save(terminal: Terminal, client: str, month: str, kind: Literal["pdf", "csv"], to: Path | None) -> None:
    target = to or Path(f"{client}-{month}.{kind}")
    with terminal.api.download(f"{_path(client, month)}/{kind}") as response:
        target.write_bytes(response.read())
    terminal.out.say(f"saved {target}")


def _path(client: str, month: str) -> str:
    return f"/clients/{client}/reports/{month}"


REPORTS = Rows[ReportBrief](
    whole("Client", lambda it: it.client),
    whole("Month", lambda it: it.month),
    text("State", lambda it: it.state),
    text("Approved by", lambda it: it.approved_by or ""),
    text("Delivered", lambda it: it.delivered_at or ""),
)
REPORT = Facts[ReportRead](
    ("Report", lambda it: f"{it.client} {it.month}"),
    ("State", lambda it: it.state),
    ("In short", lambda it: f"{it.light}: {it.headline}"),
    ("Note", lambda it: it.note),
    ("PDF", lambda it: f"{it.pages} pages" if it.pages else "being made"),
    ("Not done yet", lambda it: it.problem),
    ("Digest", lambda it: it.digest),
    ("Approved by", lambda it: it.approved_by),
    ("Mail", lambda it: "\n".join(f"{mail.recipient_email}: {mail.state}" for mail in it.mails)),
)
