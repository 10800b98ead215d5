"""The SMTP side of the local mailbox. It refuses what real servers refuse, and some recipients on demand."""

from email.utils import parseaddr

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tuneloop_local.emulators.smtp.box import Mailbox

LARGEST = 25 * 1024 * 1024
REFUSALS = {
    "nobody": "550 5.1.1 no such mailbox",
    "full": "452 4.2.2 mailbox full, try again later",
    "busy": "451 4.3.2 try again later",
}


class Handler:
    """Recipients called nobody@, full@ and busy@ are refused as their name says, to see what happens then."""

    def __init__(self, box: Mailbox) -> None:
        self._box = box

    async def handle_RCPT(  # noqa: N802  (aiosmtpd finds its hooks by these names)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        del server, session, rcpt_options
        local, _, domain = address.rpartition("@")
        if not local or not domain or parseaddr(address)[1] != address:
            return "553 5.1.3 that is not an address"
        if (refusal := REFUSALS.get(local)) is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        del server, session
        assert isinstance(envelope.content, bytes)
        for recipient in envelope.rcpt_tos:
            self._box.take(envelope.content, sender=envelope.mail_from or "", recipient=recipient)
        return "250 2.0.0 OK, in the local mailbox"


def mailbox_server(box: Mailbox, host: str, port: int) -> Controller:
    """Not started yet."""
    return Controller(
        Handler(box), hostname=host, port=port, data_size_limit=LARGEST, enable_SMTPUTF8=True, ident="tuneloop mailbox"
    )
