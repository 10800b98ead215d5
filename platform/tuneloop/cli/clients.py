"""`tuneloop client`: the agency's clients."""

from typing import Annotated

import typer

from tuneloop.cli.arguments import Client, contacts, given
from tuneloop.cli.render import Facts, Rows, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.clients.schemas import ClientRead
from tuneloop.tables import Domain, Plan

app = typer.Typer()

Name = typer.Option(help="Name as it is written in reports.")


@command(app, "add")
def add(
    terminal: Terminal,
    slug: Client,
    name: Annotated[str, Name],
    domain: Annotated[
        Domain, typer.Option(help="Field of work; sets the cadence of maintenance.")
    ] = Domain.CUSTOMER_SUPPORT,
    plan: Annotated[Plan, typer.Option(help="What the client pays for.")] = Plan.STANDARD,
    contact: Annotated[list[str] | None, typer.Option(metavar="'NAME <E-MAIL>'", help="May be repeated.")] = None,
) -> None:
    """Add a client."""
    body = {"slug": slug, "name": name, "domain": domain, "plan": plan, "contacts": contacts(contact) or []}
    terminal.show(terminal.api.post("/clients", ClientRead, body), CLIENT)


@command(app, "change")
def change(
    terminal: Terminal,
    slug: Client,
    name: Annotated[str | None, Name] = None,
    contact: Annotated[
        list[str] | None, typer.Option(metavar="'NAME <E-MAIL>'", help="All of them; may be repeated.")
    ] = None,
) -> None:
    """Change a client's name, or whom it wants written to."""
    body = given(name=name, contacts=contacts(contact))
    terminal.show(terminal.api.patch(f"/clients/{slug}", ClientRead, body), CLIENT)


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Clients you may see."""
    terminal.show(terminal.api.get("/clients", list[ClientRead]), CLIENTS)


@command(app, "show")
def show(terminal: Terminal, slug: Client) -> None:
    """One client."""
    terminal.show(terminal.api.get(f"/clients/{slug}", ClientRead), CLIENT)


CLIENTS = Rows[ClientRead](
    whole("Client", lambda it: it.slug),
    text("Name", lambda it: it.name),
    text("Field", lambda it: it.domain),
    text("Plan", lambda it: it.plan),
    text("Since", lambda it: it.created_at),
)
CLIENT = Facts[ClientRead](
    ("Client", lambda it: it.slug),
    ("Name", lambda it: it.name),
    ("Field", lambda it: it.domain),
    ("Plan", lambda it: it.plan),
    ("Contacts", lambda it: "\n".join(f"{contact.name} <{contact.email}>" for contact in it.contacts)),
    ("Since", lambda it: it.created_at),
)
