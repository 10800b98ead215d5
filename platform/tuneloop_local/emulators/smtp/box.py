"""Mail as files, one a message and recipient. A message that comes twice is kept once, as a mailbox shows it."""

import email
import email.policy
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from tuneloop.kit.errors import NotFound


class MailAttachment(NamedTuple):
    filename: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class ReceivedMail:
    """A message as it is read."""

    name: str
    received: datetime
    envelope_from: str
    envelope_to: str
    sender: str
    recipient: str
    subject: str
    headers: list[tuple[str, str]]
    text: str
    html: str | None
    attachments: list[MailAttachment]
    size: int


class Mailbox:
    """Messages in a folder; any process may read while another writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, raw: bytes, *, sender: str, recipient: str) -> str:
        """Keep a message, unless the same one is there already; returns its name."""
        message_id = email.message_from_bytes(raw, policy=email.policy.default)["message-id"] or sha256(raw).hexdigest()
        name = sha256(f"{recipient.lower()}\n{message_id}".encode()).hexdigest()[:32]
        path = self._folder / f"{name}.eml"
        if path.exists():
            return name
        self._folder.mkdir(parents=True, exist_ok=True)
        envelope = f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n".encode()
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
            file.write(envelope + raw)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).rename(path)
        return name

    def names(self) -> list[str]:
        """Newest first."""
        found = [(path.stat().st_mtime_ns, path.stem) for path in self._folder.glob("*.eml")]
        return [name for _, name in sorted(found, reverse=True)]

    def raw(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def read(self, name: str) -> ReceivedMail:
        path = self._path(name)
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return ReceivedMail(
            name=name,
            received=datetime.fromtimestamp(path.stat().st_mtime, UTC),
            envelope_from=str(message["return-path"] or ""),
            envelope_to=str(message["delivered-to"] or ""),
            sender=str(message["from"] or ""),
            recipient=str(message["to"] or ""),
            subject=str(message["subject"] or "(no subject)"),
            headers=[(key, str(value)) for key, value in message.items()],
            text=_body(message, "plain") or "",
            html=_body(message, "html"),
            attachments=[_part(each) for each in message.iter_attachments()],
            size=path.stat().st_size,
        )

    def _path(self, name: str) -> Path:
        path = self._folder / f"{name}.eml"
        if not (len(name) == 32 and set(name) <= set("0123456789abcdef") and path.exists()):
            raise NotFound("message", name)
        return path


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else None


def _part(part: EmailMessage) -> MailAttachment:
    data = part.get_payload(decode=True)
    return MailAttachment(
        part.get_filename() or "unnamed", part.get_content_type(), data if isinstance(data, bytes) else b""
    )
