"""`tuneloop client`: the agency's clients."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.arguments import Domain, Plan
from tuneloop.cli.output import facts, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="The clients of your agency.")

Slug = Annotated[str, typer.Argument(metavar="CLIENT", help="Short name, such as acme.")]


@command(app, "add")
def add(
    terminal: Terminal,
    slug: Slug,
    name: Annotated[str, typer.Option(help="Name as it is written in reports.")],
    domain: Annotated[
        Domain, typer.Option(help="Field of work; sets the cadence of maintenance.")
    ] = "customer_support",
    plan: Annotated[Plan, typer.Option(help="What the client pays for.")] = "standard",
    contact: Annotated[list[str] | None, typer.Option(metavar="'NAME <E-MAIL>'", help="May be repeated.")] = None,
) -> None:
    """Add a client."""
    contacts = [_contact(text) for text in contact or []]
    body = {"slug": slug, "name": name, "domain": domain, "plan": plan, "contacts": contacts}
    terminal.out.show(terminal.api.post("/clients", body), render_client)


@command(app, "change")
def change(
    terminal: Terminal,
    slug: Slug,
    name: Annotated[str | None, typer.Option(help="Name as it is written in reports.")] = None,
    contact: Annotated[
        list[str] | None, typer.Option(metavar="'NAME <E-MAIL>'", help="All of them; may be repeated.")
    ] = None,
) -> None:
    """Change a client's name, or whom it wants written to."""
    wanted: dict[str, Any] = {"name": name, "contacts": contact and [_contact(text) for text in contact]}
    body = {key: value for key, value in wanted.items() if value}
    terminal.out.show(terminal.api.patch(f"/clients/{slug}", body), render_client)


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Clients you may see."""
    terminal.out.show(terminal.api.get("/clients"), render_clients)


@command(app, "show")
def show(terminal: Terminal, slug: Slug) -> None:
    """One client."""
    terminal.out.show(terminal.api.get(f"/clients/{slug}"), render_client)


def render_clients(clients: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Client"),
        "Name",
        "Field",
        "Plan",
        "Since",
        rows=[
            (each["slug"], each["name"], each["domain"], each["plan"], figures.moment(each["created_at"]))
            for each in clients
        ],
    )


def render_client(client: dict[str, Any]) -> Table:
    return facts(
        [
            ("Client", client["slug"]),
            ("Name", client["name"]),
            ("Field", client["domain"]),
            ("Plan", client["plan"]),
            ("Contacts", "\n".join(f"{contact['name']} <{contact['email']}>" for contact in client["contacts"])),
            ("Since", figures.moment(client["created_at"])),
        ]
    )


def _contact(text: str) -> dict[str, str]:
    name, opened, rest = text.partition("<")
    if not opened or not rest.endswith(">"):
        raise typer.BadParameter(f"{text!r} is not 'NAME <E-MAIL>'")
    return {"name": name.strip(), "email": rest.removesuffix(">").strip()}
