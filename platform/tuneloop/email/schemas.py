"""What the mail endpoints read and write."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field

from tuneloop.kit.clean_text import CleanName
from tuneloop.tables import AttemptOutcome, BlockReason, MailState


class MailRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    subject_kind: str
    subject_id: str
    recipient_email: str
    recipient_name: str
    sender_email: str
    subject: str
    state: MailState
    attempts: int
    failure: str | None
    created_at: datetime
    sent_at: datetime | None


class DeliveryAttemptRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    number: int
    started_at: datetime
    handed_over_at: datetime | None
    ended_at: datetime | None
    outcome: AttemptOutcome | None
    code: int | None
    reply: str | None
    server: str | None
    encrypted: bool | None


class MailDetail(MailRead):
    text: str
    tries: list[DeliveryAttemptRead]


class BlockRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    reason: BlockReason
    detail: str
    at: datetime


class SenderWrite(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"email": "reports@north.example", "name": "North Agency"}]}
    )

    email: EmailStr
    name: CleanName = Field(min_length=1, max_length=120)
    reply_to: EmailStr | None = None
    client: str | None = Field(default=None, description="only for mail about this client")
    new_dkim_key: bool = Field(default=False, description="make a key; the answer says what to publish in DNS")


class SenderRead(BaseModel):
    """`used` is whom mail comes from now: an address that is not `proven` stands back for the installation's."""

    email: str
    name: str
    reply_to: str | None
    used: str
    proven_at: datetime | None
    dns_name: str | None = Field(description="where the DKIM key is published, as a TXT record")
    dns_value: str | None
