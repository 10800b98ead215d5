"""Where versions that others host answer."""

from datetime import date, datetime
from uuid import UUID

from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import ClientOwned


class ExternalEndpoint(ClientOwned, table=True):
    """How to reach an external version, what it costs and how long it will answer.

    `url` and `model_name` are those of the version's manifest and never change. `sealed_key`: None where the service
    asks for no key. Prices: millionths of the currency's unit for a million tokens, None where nobody typed one.
    `gives_confidence`: whether it tells log-probabilities. `ends_on`: its last day; `end_is_typed` where a person said
    so, else the service's own word. `problem`: why it does not answer us, in words for the operators, since
    `problem_at`; `confirmed_at` is when asking it again failed too.
    """

    __tablename__ = "external_endpoint"

    model_id: UUID = Field(foreign_key="registered_model.id", index=True)
    version_id: UUID = Field(foreign_key="adapter_version.id", unique=True)
    url: str
    model_name: str
    sealed_key: str | None = None
    gives_confidence: bool = False
    input_price: int | None = None
    output_price: int | None = None
    currency: str = "USD"
    ends_on: date | None = None
    end_is_typed: bool = False
    problem: str | None = None
    problem_at: datetime | None = None
    confirmed_at: datetime | None = None
    checked_at: datetime = Field(default_factory=now)
    created_at: datetime = Field(default_factory=now)
