"""Bounces that come back later (RFC 3464): find the mail that they are about and note what happened."""

import email
import email.policy
import re
from email.message import EmailMessage
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session

from tuneloop.email.service import block
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.tables import BlockReason, Mail, MailState

_ID = r"([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})"
_OURS = (re.compile(rf"\+{_ID}@"), re.compile(rf"<{_ID}@"))


class Bounce(NamedTuple):
    mail_id: UUID
    action: str
    status: str
    diagnosis: str


def read_bounce(raw: bytes) -> Bounce:
    """What a delivery status notification says about one of our mails.

    Raises:
        InvalidInput: it is not such a notification, or not about a mail of ours.
    """
    message = email.message_from_bytes(raw, policy=email.policy.default)
    status = next((part for part in message.walk() if part.get_content_type() == "message/delivery-status"), None)
    if status is None:
        raise InvalidInput("this is not a delivery status notification (RFC 3464)")
    fields: dict[str, str] = {}
    for block_ in status.get_payload():
        assert isinstance(block_, EmailMessage)
        fields |= {name.lower(): str(value) for name, value in block_.items()}
    found = _our_id(message, raw)
    if found is None:
        raise InvalidInput("the notification names no mail of ours")
    return Bounce(found, fields.get("action", "").lower(), fields.get("status", ""), fields.get("diagnostic-code", ""))


def record_bounce(session: Session, raw: bytes) -> Mail:
    """Note a bounce on its mail; an address that does not exist gets no more mail. Needs a session across agencies."""
    bounce = read_bounce(raw)
    mail = session.get(Mail, bounce.mail_id)
    if mail is None:
        raise NotFound("mail", bounce.mail_id)
    if bounce.action == "failed" and bounce.status.startswith("5."):
        mail.state, mail.failure = MailState.BOUNCED, f"{bounce.status} {bounce.diagnosis}".strip()
        session.add(mail)
        if bounce.status.startswith("5.1."):
            block(session, mail=mail, reason=BlockReason.BOUNCED, detail=mail.failure)
    return mail


def _our_id(message: EmailMessage, raw: bytes) -> UUID | None:
    """From the address it was sent to, or from the Message-ID of the mail that it returns."""
    text = str(message.get("to", "")) + "\n" + raw.decode("utf-8", "replace")
    for pattern in _OURS:
        if (match := pattern.search(text)) is not None:
            return UUID(match.group(1))
    return None
