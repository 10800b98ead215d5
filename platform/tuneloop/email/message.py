"""One message to one recipient, and its bytes: the same message always gives the same bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP as SMTP_8BIT
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from types import MappingProxyType

from tuneloop.kit.errors import InvalidInput

SMTP = SMTP_8BIT.clone(cte_type="7bit")
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Address:
    email: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """From `NAME <E-MAIL>` or `E-MAIL`."""
        name, email = parseaddr(text)
        return cls(email, name)

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2]

    def header(self) -> HeaderAddress:
        """Raises InvalidInput when it is not an address that mail can carry."""
        try:
            return HeaderAddress(display_name=one_line(self.name), addr_spec=self.email)
        except (ValueError, IndexError) as error:
            raise InvalidInput(f"{self.email!r} is not an e-mail address: {error}") from error


@dataclass(frozen=True)
class Attachment:
    filename: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Message:
    """`message_id` comes from our own ids, so that sending again after a crash sends the same message.

    Bounces go to `bounces_to`, or to the sender.
    """

    message_id: str
    date: datetime
    sender: Address
    recipient: Address
    subject: str
    text: str
    html: str | None = None
    reply_to: Address | None = None
    bounces_to: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    attachments: tuple[Attachment, ...] = ()

    @property
    def envelope_sender(self) -> str:
        return self.bounces_to or self.sender.email


def compose(message: Message) -> bytes:
    """Multipart message with CRLF line ends.

    Raises:
        InvalidInput: an address is none.
    """
    built = EmailMessage(policy=SMTP)
    built["Date"] = format_datetime(message.date)
    built["From"] = message.sender.header()
    built["To"] = message.recipient.header()
    if message.reply_to is not None:
        built["Reply-To"] = message.reply_to.header()
    built["Subject"] = one_line(message.subject)
    built["Message-ID"] = message.message_id
    for name, value in message.headers.items():
        built[name] = one_line(value)
    built.set_content(message.text)
    if message.html is not None:
        built.add_alternative(message.html, subtype="html")
    for attachment in message.attachments:
        main, _, sub = attachment.media_type.partition("/")
        built.add_attachment(attachment.data, maintype=main, subtype=sub, filename=one_line(attachment.filename))
    _fix_boundaries(built, message.message_id)
    return built.as_bytes()


def one_line(text: str) -> str:
    """Header text without line breaks or other control characters, which would start a header of their own."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _fix_boundaries(built: EmailMessage, seed: str) -> None:
    """The library draws boundaries at random; ours follow from the message."""
    for place, part in enumerate(part for part in built.walk() if part.is_multipart()):
        part.set_boundary(f"={sha256(f'{seed}/{place}'.encode()).hexdigest()[:40]}=")
