"""Mail: what one message is, how it becomes bytes, and how it is handed to an SMTP server."""

from tuneloop.kit.mail.dkim import DkimKey, new_dkim_key
from tuneloop.kit.mail.dns import text_records
from tuneloop.kit.mail.message import Address, Attachment, Message, compose
from tuneloop.kit.mail.smtp import MailRefused, MailServerDown, Receipt, send, transmit

__all__ = [
    "Address",
    "Attachment",
    "DkimKey",
    "MailRefused",
    "MailServerDown",
    "Message",
    "Receipt",
    "compose",
    "new_dkim_key",
    "send",
    "text_records",
    "transmit",
]
