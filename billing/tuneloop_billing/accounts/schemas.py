"""The connection to Stripe as the API shows and takes it. Keys go in and never come out."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tuneloop.tables import BillingMode, PaymentProblemKind
from tuneloop_billing.plans.schemas import Currency


class ConnectOrder(BaseModel):
    """One of three ways: an own secret key, an account connected to the platform, or an account at the emulator."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"emulator": True}]})

    secret_key: SecretStr | None = None
    connect: bool = False
    emulator: bool = False


class AccountPatch(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"timezone": "Europe/Berlin"}]})

    timezone: str | None = Field(default=None, max_length=64)
    currency: Currency | None = None
    automatic_tax: bool | None = None
    gpu_hour_cost: int | None = Field(default=None, ge=0, le=1_000_000, description="in the currency's smallest unit")


class AccountRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    mode: BillingMode
    stripe_account: str | None
    timezone: str
    currency: str
    automatic_tax: bool
    gpu_hour_cost: int
    onboarding_url: str | None = None


class PaymentLinkRead(BaseModel):
    """A page of Stripe's, for the client."""

    url: str


class ReconcileFindingRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    key: str
    summary: str
    here: dict[str, Any]
    there: dict[str, Any]
    found_at: datetime
    settled_at: datetime | None


class ProblemRead(BaseModel):
    """`settled_by` is who dismissed it."""

    id: UUID
    client: str
    kind: PaymentProblemKind
    summary: str
    to_do: str
    found_at: datetime
    settled_at: datetime | None
    settled_by: str | None


class EventRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    stripe_id: str
    kind: str
    object_id: str
    received_at: datetime
    handled_at: datetime | None
    outcome: str | None
