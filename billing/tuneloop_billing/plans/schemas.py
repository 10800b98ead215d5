"""Plans as the API shows and takes them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tuneloop.clients.entitlements import Entitlements
from tuneloop.clients.money import LARGEST
from tuneloop.clients.schemas import Slug
from tuneloop.tables import Feature, Plan

Currency = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]
Price = Annotated[int, Field(ge=0, le=LARGEST, description="in the currency's smallest unit")]


class PlanCreate(BaseModel):
    """What is left out comes from the template of the tier."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"slug": "gold", "tier": "premium", "price": 550000}]}
    )

    slug: Slug
    tier: Plan
    name: str | None = Field(default=None, min_length=1, max_length=120)
    price: Price | None = None
    currency: Currency | None = None
    entitlements: Entitlements | None = None
    extras: dict[Feature, Price] | None = None


class PlanPatch(BaseModel):
    """A new price holds from each client's next invoice on. A currency can't be changed: make another plan."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, min_length=1, max_length=120)
    price: Price | None = None
    entitlements: Entitlements | None = None
    extras: dict[Feature, Price] | None = None


class PlanRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    slug: str
    name: str
    tier: Plan
    price: int
    currency: str
    entitlements: Entitlements
    extras: dict[Feature, int]
    clients: int = 0
    archived_at: datetime | None
