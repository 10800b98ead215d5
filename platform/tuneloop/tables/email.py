"""Mail that goes out: one row a recipient, every attempt to deliver it, and addresses that get none."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import Tenant


class MailState(StrEnum):
    """SENT is what the server said; a bounce may still come back."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    BOUNCED = "bounced"
    BLOCKED = "blocked"


class Mail(Tenant, table=True):
    """One message to one recipient. `dedupe_key` names why it is sent: the same reason sends it once.

    `attachments` name files of the object store by digest. `text` and `html` have no tokens of links: until the mail is
    sent these lie in `sealed_tokens` (`tuneloop.email.hiding`).
    """

    __table_args__ = (
        UniqueConstraint("agency_id", "dedupe_key"),
        Index("ix_mail_subject", "subject_kind", "subject_id"),
    )

    client_key: ClassVar[str | None] = "client_id"

    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    dedupe_key: str
    subject_kind: str
    subject_id: str
    recipient_email: str
    recipient_name: str
    sender_email: str
    sender_name: str
    reply_to: str | None = None
    subject: str
    text: str
    html: str
    attachments: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    sealed_tokens: str | None = None
    unsubscribe_hash: str | None = Field(default=None, unique=True)
    state: MailState = Field(default=MailState.QUEUED, sa_type=text_enum(MailState))
    attempts: int = 0
    failure: str | None = None
    created_at: datetime = Field(default_factory=now)
    sent_at: datetime | None = None


class AttemptOutcome(StrEnum):
    """LOST: the worker died; whether the server took the message cannot be known once it was handed over."""

    SENT = "sent"
    LATER = "later"
    REFUSED = "refused"
    LOST = "lost"


class MailAttempt(Tenant, table=True):
    """One try to hand a message to the server. Written before the connection is opened."""

    __tablename__ = "mail_attempt"
    __table_args__ = (UniqueConstraint("mail_id", "number"),)

    client_key: ClassVar[str | None] = "client_id"

    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    mail_id: UUID = Field(foreign_key="mail.id")
    number: int
    started_at: datetime = Field(default_factory=now)
    handed_over_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: AttemptOutcome | None = Field(default=None, sa_type=text_enum(AttemptOutcome))
    code: int | None = None
    reply: str | None = None
    server: str | None = None
    encrypted: bool | None = None


class BlockReason(StrEnum):
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"


class MailBlock(Tenant, table=True):
    """An address that gets no more mail: of one client (unsubscribed) or of the agency (bounced)."""

    __tablename__ = "mail_block"
    __table_args__ = (UniqueConstraint("agency_id", "email", "client_id", postgresql_nulls_not_distinct=True),)

    client_key: ClassVar[str | None] = "client_id"

    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    email: str
    reason: BlockReason = Field(sa_type=text_enum(BlockReason))
    detail: str = ""
    at: datetime = Field(default_factory=now)


class MailSender(Tenant, table=True):
    """Whom mail comes from: the agency's row, and those of clients that differ from it. `dkim_key` is sealed.

    `proven_at` is when the key was found in the domain's DNS, which only the domain's owner can write.
    """

    __tablename__ = "mail_sender"
    __table_args__ = (UniqueConstraint("agency_id", "client_id", postgresql_nulls_not_distinct=True),)

    client_key: ClassVar[str | None] = "client_id"

    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    email: str
    name: str
    reply_to: str | None = None
    dkim_domain: str | None = None
    dkim_selector: str | None = None
    dkim_key: str | None = None
    proven_at: datetime | None = None
    changed_at: datetime = Field(default_factory=now)
