"""`tuneloop mail`: what went out, whom it comes from, who gets none."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.http import for_client
from tuneloop.cli.output import facts, stack, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="Mail that went out.")


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Mail that went out, newest first."""
    terminal.out.show(terminal.api.get("/mail"), render_mails)


@command(app, "show")
def show(terminal: Terminal, mail: Annotated[UUID, typer.Argument(metavar="MAIL", help="The mail's id.")]) -> None:
    """One mail, with every attempt to deliver it."""
    terminal.out.show(terminal.api.get(f"/mail/{mail}"), render_mail)


@command(app, "blocks")
def blocks(terminal: Terminal) -> None:
    """Addresses that get no mail."""
    terminal.out.show(terminal.api.get("/mail/blocks"), render_blocks)


@command(app, "unblock")
def unblock(
    terminal: Terminal, block: Annotated[UUID, typer.Argument(metavar="BLOCK", help="The block's id.")]
) -> None:
    """Write to an address again."""
    terminal.out.show(terminal.api.delete(f"/mail/blocks/{block}"), lambda _: "mail goes to this address again")


@command(app, "sender")
def sender(
    terminal: Terminal,
    email: Annotated[str | None, typer.Argument(metavar="[E-MAIL]", help="Left out, the present one is shown.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the sender.")] = None,
    reply_to: Annotated[str | None, typer.Option(metavar="E-MAIL", help="Where answers go.")] = None,
    client: Annotated[str | None, typer.Option(metavar="CLIENT", help="Only for mail about this client.")] = None,
    dkim: Annotated[bool, typer.Option("--dkim", help="Make a DKIM key and say what to publish.")] = False,
) -> None:
    """Show or change whom mail comes from."""
    if email is None:
        found = terminal.api.get("/mail/sender", client=client)
    else:
        if name is None:
            raise typer.BadParameter("say --name too")
        body = {"email": email, "name": name, "reply_to": reply_to, "client": client, "new_dkim_key": dkim}
        found = terminal.api.put("/mail/sender", body)
    terminal.out.show(found, render_sender)


@command(app, "prove")
def prove(
    terminal: Terminal,
    client: Annotated[str | None, typer.Option(metavar="CLIENT", help="The sender of mail about this client.")] = None,
) -> None:
    """Look for the sender's DKIM key in the DNS, and use the sender's own address once it is there."""
    terminal.out.show(terminal.api.post(for_client("/mail/sender/proof", client)), render_sender)


def render_mails(mails: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Mail"),
        "Subject",
        "To",
        "State",
        whole("Written"),
        rows=[
            (each["id"], each["subject"], each["recipient_email"], each["state"], figures.moment(each["created_at"]))
            for each in mails
        ],
    )


def render_mail(mail: dict[str, Any]) -> Group:
    head = facts(
        [
            ("Mail", mail["id"]),
            ("Subject", mail["subject"]),
            ("To", f"{mail['recipient_name']} <{mail['recipient_email']}>"),
            ("From", mail["sender_email"]),
            ("State", mail["state"]),
            ("Why", mail["failure"] or ""),
        ]
    )
    tries = table(
        "#",
        whole("Begun"),
        "Outcome",
        "What the server said",
        "TLS",
        rows=[
            (
                str(each["number"]),
                figures.moment(each["started_at"]),
                each["outcome"] or "running",
                each["reply"] or "",
                {True: "yes", False: "no", None: ""}[each["encrypted"]],
            )
            for each in mail["tries"]
        ],
    )
    return stack(head, tries)


def render_blocks(found: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Block"),
        "Address",
        "Reason",
        "Detail",
        whole("Since"),
        rows=[
            (each["id"], each["email"], each["reason"], each["detail"], figures.moment(each["at"])) for each in found
        ],
    )


def render_sender(found: dict[str, Any]) -> Table:
    rows = [("From", f"{found['name']} <{found['email']}>"), ("Answers to", found["reply_to"] or "")]
    if found["proven_at"]:
        rows.append(("Proven", figures.moment(found["proven_at"])))
    elif found["used"] != found["email"]:
        wanted = "publish the record, then `tuneloop mail prove`" if found["dns_name"] else "make a key with --dkim"
        rows.append(("Until proven", f"mail comes from {found['used']}; {wanted}"))
    if found["dns_name"]:
        rows += [("DKIM record (TXT)", found["dns_name"]), ("with", found["dns_value"])]
    return facts(rows)
