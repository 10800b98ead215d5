"""Subscriptions as the API shows and takes them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.clients.entitlements import Entitlements
from tuneloop.clients.schemas import Slug
from tuneloop.tables import Feature, SubscriptionState, UseState

AGREED = "of all of it, in minor units; without it, or with another one, the answer says what it costs"


class PlanChoice(BaseModel):
    """`trial_days` and `coupon` hold for a first subscription."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"plan": "standard", "trial_days": 14}]})

    plan: Slug
    trial_days: int = Field(default=0, ge=0, le=90)
    coupon: str | None = Field(default=None, max_length=64)


class CancelOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")

    at_once: bool = False
    confirmed: bool = Field(default=False, description="without it, the answer says what would end")


class ExtraOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"feature": "retrain"}]})

    feature: Feature
    quantity: int = Field(default=1, ge=1, le=1000)
    reason: str = Field(default="", max_length=500)
    agreed_price: int | None = Field(default=None, description=AGREED)


class OfferAcceptance(BaseModel):
    model_config = ConfigDict(extra="forbid")

    agreed_price: int | None = Field(default=None, description=AGREED)


class ExtraRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    feature: Feature
    state: UseState
    quantity: int
    unit_price: int
    currency: str
    reason: str
    decided_by: str | None
    subject: str | None
    at: datetime
    month: str | None


class AllowanceRead(BaseModel):
    """`included` is null where nothing is counted; `price` is that of one more, in minor units."""

    feature: Feature
    allowed: bool
    included: int | None
    used: int
    left: int | None
    price: int | None
    suspension: str | None


class DunningRead(BaseModel):
    step: str
    what: str
    next_step: str | None = None
    next_at: datetime | None = None


class SubscriptionRead(BaseModel):
    client: str
    plan: str
    plan_name: str
    price: int
    currency: str
    next_plan: str | None
    state: SubscriptionState
    state_since: datetime
    trial_ends_at: datetime | None
    period_start: datetime | None
    period_end: datetime | None
    cancel_at_period_end: bool
    coupon: str | None
    entitlements: Entitlements
    allowances: list[AllowanceRead]
    dunning: DunningRead
    in_step_with_stripe: bool
    problem: str | None
