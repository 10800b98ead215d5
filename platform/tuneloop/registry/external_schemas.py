"""What the API reads and writes about external versions."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from tuneloop.registry.contract import Sha256
from tuneloop.registry.external import Terms, price
from tuneloop.tables import AdapterVersion, ExternalEndpoint

Price = Annotated[Decimal, Field(ge=0, le=2_000, max_digits=10, decimal_places=6)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$")]
ModelName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


class TermsWrite(BaseModel):
    """Prices are for a million tokens, in the currency's unit: 0.30 is 30 cents."""

    model_config = ConfigDict(extra="forbid")

    input_price: Price | None = Field(default=None, description="for a million tokens of questions")
    output_price: Price | None = Field(default=None, description="for a million tokens of answers")
    currency: Currency | None = Field(
        default=None, description="of the prices, such as usd; the installation's if empty"
    )
    ends_on: date | None = Field(default=None, description="last day of the service, if you know it; else it is asked")

    def terms(self) -> Terms:
        return Terms(self.input_price, self.output_price, self.currency, self.ends_on)


class ExternalCreate(TermsWrite):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "url": "https://api.openai.com/v1",
                    "model": "ft:gpt-4o-mini-2024-07-18:acme::A1b2C3d4",
                    "key": "sk-…",
                    "input_price": "0.30",
                    "output_price": "1.20",
                }
            ]
        },
    )

    url: str = Field(max_length=2_000, description="of the OpenAI-compatible service, up to and with /v1")
    model: ModelName = Field(description="the model's name there")
    key: SecretStr | None = Field(default=None, description="null where the service asks for none")


class ExternalChange(TermsWrite):
    """Fields left out stay as they are."""

    key: SecretStr | None = Field(default=None, description="a new key; it is tried before it replaces the old one")


class ExternalServe(BaseModel):
    """`digest` of the version; `reason` stays in the audit log, for no gate has compared it with production."""

    model_config = ConfigDict(extra="forbid")

    digest: Sha256
    reason: str = Field(max_length=2_000)


class ExternalRead(BaseModel):
    """An external version. `problem`: why its service does not answer us; null while it does."""

    id: UUID
    name: str
    digest: str
    url: str
    model: str
    has_key: bool
    gives_confidence: bool
    input_price: Decimal | None
    output_price: Decimal | None
    currency: str
    ends_on: date | None
    end_is_typed: bool
    problem: str | None
    problem_at: datetime | None
    checked_at: datetime
    created_at: datetime

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @classmethod
    def of(cls, endpoint: ExternalEndpoint, version: AdapterVersion, *, model: str) -> Self:
        return cls(
            id=version.id,
            name=f"{model}@v{version.number}",
            digest=version.digest,
            url=endpoint.url,
            model=endpoint.model_name,
            has_key=endpoint.sealed_key is not None,
            gives_confidence=endpoint.gives_confidence,
            input_price=price(endpoint.input_price),
            output_price=price(endpoint.output_price),
            currency=endpoint.currency,
            ends_on=endpoint.ends_on,
            end_is_typed=endpoint.end_is_typed,
            problem=endpoint.problem,
            problem_at=endpoint.problem_at,
            checked_at=endpoint.checked_at,
            created_at=endpoint.created_at,
        )
