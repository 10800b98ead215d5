"""Work and usage as the API shows and takes them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.tables import Activity, ReversalKind, Unit


class WorkCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"activity": "collect", "minutes": 25, "note": "October"}]}
    )

    activity: Activity
    minutes: int = Field(ge=1, le=1440)
    at: datetime | None = None
    note: str = Field(default="", max_length=500)


class WorkPatch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    activity: Activity | None = None
    minutes: int | None = Field(default=None, ge=1, le=1440)
    note: str | None = Field(default=None, max_length=500)


class Beat(BaseModel):
    """A page that is being worked on."""

    model_config = ConfigDict(extra="forbid")

    activity: Activity


class WorkRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    person: str
    activity: Activity
    at: datetime
    seconds: int
    note: str


class UsageRead(BaseModel):
    """`late` is usage of earlier months that came to light in this one. A month that runs is counted up to now."""

    model_config = ConfigDict(from_attributes=True)

    month: str
    unit: Unit
    quantity: int
    late: int
    final: bool


class InvoiceLineRead(BaseModel):
    description: str
    amount: int


class ReversalRead(BaseModel):
    """A refund or a dispute; `credited` of it is on a credit note, and `due_by` is until when it can be answered."""

    model_config = ConfigDict(from_attributes=True)

    stripe_id: str
    kind: ReversalKind
    amount: int
    credited: int
    status: str
    reason: str | None
    at: datetime
    due_by: datetime | None


class InvoiceRead(BaseModel):
    """Amounts in the currency's smallest unit; `tax` is part of the total, `net` what is left as revenue."""

    model_config = ConfigDict(from_attributes=True)

    stripe_id: str
    number: str | None
    month: str | None
    status: str
    currency: str
    total: int
    amount_paid: int
    amount_remaining: int
    credited: int
    lines: list[InvoiceLineRead]
    tax: int
    hosted_url: str | None
    issued_at: datetime
    paid_at: datetime | None
    reversals: list[ReversalRead] = []
    net: int = 0


class CreditOrder(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"amount": 5000, "reason": "late report"}]}
    )

    amount: int = Field(gt=0, le=99_999_999)
    reason: str = Field(min_length=3, max_length=500)


class CloseRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    month: str
    client: str = ""
    until: datetime | None
    started_at: datetime
    metered_at: datetime | None
    reported_at: datetime | None
    invoiced_at: datetime | None
    sent_at: datetime | None
    invoice_stripe_id: str | None
    problem: str | None
