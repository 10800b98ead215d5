"""`tuneloop mail`: what went out, whom it comes from, who gets none."""

from types import NoneType
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Group

from tuneloop.cli.render import Facts, Rows, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.email.schemas import BlockRead, DeliveryAttemptRead, MailDetail, MailRead, SenderRead

app = typer.Typer()


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Mail that went out, newest first."""
    terminal.show(terminal.api.get("/mail", list[MailRead]), MAILS)


@command(app, "show")
def show(terminal: Terminal, mail: Annotated[UUID, typer.Argument(metavar="MAIL", help="The mail's id.")]) -> None:
    """One mail, with every attempt to deliver it."""
    terminal.show(terminal.api.get(f"/mail/{mail}", MailDetail), render_mail)


@command(app, "blocks")
def blocks(terminal: Terminal) -> None:
    """Addresses that get no mail."""
    terminal.show(terminal.api.get("/mail/blocks", list[BlockRead]), BLOCKS)


@command(app, "unblock")
def unblock(
    terminal: Terminal, block: Annotated[UUID, typer.Argument(metavar="BLOCK", help="The block's id.")]
) -> None:
    """Write to an address again."""
    lifted = terminal.api.delete(f"/mail/blocks/{block}", NoneType)
    terminal.show(lifted, lambda _: "mail goes to this address again")


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
        found = terminal.api.get("/mail/sender", SenderRead, client=client)
    else:
        if name is None:
            raise typer.BadParameter("say --name too")
        body = {"email": email, "name": name, "reply_to": reply_to, "client": client, "new_dkim_key": dkim}
        found = terminal.api.put("/mail/sender", SenderRead, body)
    terminal.show(found, SENDER)


@command(app, "prove")
def prove(
    terminal: Terminal,
    client: Annotated[str | None, typer.Option(metavar="CLIENT", help="The sender of mail about this client.")] = None,
) -> None:
    """Look for the sender's DKIM key in the DNS, and use the sender's own address once it is there."""
    terminal.show(terminal.api.post("/mail/sender/proof", SenderRead, client=client), SENDER)


def render_mail(mail: MailDetail) -> Group:
    return stack(MAIL(mail), ATTEMPTS(mail.tries))


def _until_proven(sender: SenderRead) -> str | None:
    if sender.proven_at or sender.used == sender.email:
        return None
    wanted = "publish the record, then `tuneloop mail prove`" if sender.dns_name else "make a key with --dkim"
    return f"mail comes from {sender.used}; {wanted}"


MAILS = Rows[MailRead](
    whole("Mail", lambda it: it.id),
    text("Subject", lambda it: it.subject),
    text("To", lambda it: it.recipient_email),
    text("State", lambda it: it.state),
    whole("Written", lambda it: it.created_at),
)
MAIL = Facts[MailDetail](
    ("Mail", lambda it: it.id),
    ("Subject", lambda it: it.subject),
    ("To", lambda it: f"{it.recipient_name} <{it.recipient_email}>"),
    ("From", lambda it: it.sender_email),
    ("State", lambda it: it.state),
    ("Why", lambda it: it.failure),
)
ATTEMPTS = Rows[DeliveryAttemptRead](
    text("#", lambda it: it.number),
    whole("Begun", lambda it: it.started_at),
    text("Outcome", lambda it: it.outcome or "running"),
    text("What the server said", lambda it: it.reply or ""),
    text("TLS", lambda it: {True: "yes", False: "no", None: ""}[it.encrypted]),
)
BLOCKS = Rows[BlockRead](
    whole("Block", lambda it: it.id),
    text("Address", lambda it: it.email),
    text("Reason", lambda it: it.reason),
    text("Detail", lambda it: it.detail),
    whole("Since", lambda it: it.at),
)
SENDER = Facts[SenderRead](
    ("From", lambda it: f"{it.name} <{it.email}>"),
    ("Answers to", lambda it: it.reply_to),
    ("Proven", lambda it: it.proven_at),
    ("Until proven", _until_proven),
    ("DKIM record (TXT)", lambda it: it.dns_name),
    ("with", lambda it: it.dns_value),
)
