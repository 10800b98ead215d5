"""What the endpoints of documents and correction links read and write."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

LONGEST_TEXT = 400_000
LONGEST_LIFE_DAYS = 180


class DocumentCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"title": "Returns", "text": "## How long?\n30 days."}]}
    )

    title: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=LONGEST_TEXT)


class DocumentRead(BaseModel):
    """`proposed` items came from it; they train once a person confirms them."""

    id: UUID
    title: str
    added_by: str
    added_at: datetime
    proposed: int
    waiting: int
    confirmed: int


class ProposedRead(BaseModel):
    """`job_id` is set while production is asked what it would answer."""

    id: UUID
    proposed: int
    job_id: UUID | None


class LinkCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"days": 30}]})

    days: int = Field(default=30, ge=1, le=LONGEST_LIFE_DAYS)


class CorrectionLinkRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    uses: int
    used_at: datetime | None


class NewLinkRead(BaseModel):
    """`url` is shown once."""

    link: CorrectionLinkRead
    url: str
