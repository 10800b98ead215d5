"""What the report endpoints read and write."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.tables import MailState, ReportState


class ReportBrief(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    client: str
    month: str
    state: ReportState
    approved_by: str | None
    approved_at: datetime | None
    delivered_at: datetime | None


class MailBrief(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    recipient_email: str
    state: MailState
    attempts: int
    failure: str | None
    sent_at: datetime | None


class ReportRead(ReportBrief):
    """`digest` names the content: an approval must name it too. `pages` is None until the PDF is rendered.

    `problem` says why it is not rendered or not sent yet, where that was tried.
    """

    digest: str
    headline: str
    light: str
    note: str
    pages: int | None
    problem: str | None
    mails: list[MailBrief]
    content: dict[str, Any]


class NoteWrite(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: str = Field(max_length=4000)


class ApproveReport(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"digest": "7f3a…"}]})

    digest: str


class ReportLinkRead(BaseModel):
    url: str
    expires_at: datetime


class LinksRevoked(BaseModel):
    revoked: int
