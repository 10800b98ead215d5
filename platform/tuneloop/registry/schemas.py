"""What the registry endpoints read and write."""

from datetime import datetime
from typing import Any, NotRequired, Self, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from tuneloop.clients.schemas import Slug
from tuneloop.registry.catalogue import Suggestion
from tuneloop.registry.contract import Contract, Quantisation
from tuneloop.registry.overrides import Override
from tuneloop.registry.policy import Policy
from tuneloop.tables import AdapterVersion, Alias, Origin
from tuneloop.tables import BaseModel as Base


class BaseRead(BaseModel):
    name: str
    source: str
    revision: str
    licence: str
    architecture: str
    quantisation: str
    gguf_sha256: str
    weights_sha256: str
    context_length: int
    upstream_url: str | None
    own_template: bool = Field(description="whether it has a chat template of its own: `template: base` of a contract")

    @classmethod
    def of(cls, base: Base) -> Self:
        return cls(**base.model_dump(exclude={"id", "chat", "created_at"}), own_template=base.chat is not None)


class HubFileRead(BaseModel):
    """A GGUF file at the hub, and what it would need, in bytes: `training` in fp32 on a processor."""

    file: str
    quantisation: str | None
    size: int
    disk: int
    serving: int
    training: int


class SuggestionRead(BaseModel):
    """A base of the catalogue; sizes and needs in bytes, `command` registers it on the installation's machine."""

    name: str
    repository: str
    quantisation: str
    parameters: int
    licence: str
    good_for: str
    size: int
    disk: int
    serving: int
    training: int
    command: str

    @classmethod
    def of(cls, found: Suggestion) -> Self:
        needs = found.needs._asdict()
        return cls(**found._asdict(), **needs, size=found.gguf_bytes, command=found.command)


class BaseOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "qwen3-0.6b"}]})

    name: str = Field(description="of the catalogue")


class ModelCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "slug": "support",
                    "base": "gemma-3-270m",
                    "contract": {
                        "task": "classify",
                        "system_prompt": "Sort the customer's message into one category.",
                        "labels": ["refund_status", "order_status"],
                    },
                }
            ]
        },
    )

    slug: Slug
    base: str = Field(description="name of a registered base model")
    contract: Contract
    policy: Policy = Policy()
    quantisation: Quantisation | None = Field(default=None, description="also ship merged GGUF files down to this one")


class ModelChange(BaseModel):
    """Fields left out stay as they are, those of the policy too. The next version is built with the new contract."""

    model_config = ConfigDict(extra="forbid")

    contract: Contract | None = None
    policy: Policy | None = None


class ModelRead(BaseModel):
    name: str
    base: str
    contract: Contract
    policy: Policy
    quantisation: Quantisation | None
    aliases: dict[Alias, str]
    created_at: datetime


class FileRead(TypedDict):
    """`size` in bytes."""

    name: str
    sha256: str
    size: NotRequired[int]


class VersionRead(BaseModel):
    id: UUID
    name: str
    number: str
    digest: str
    parent: str | None
    contract: Contract
    files: list[FileRead]
    parity: dict[str, Any]
    training: dict[str, Any]
    override: Override | None
    origin: Origin
    snapshot_id: UUID | None = Field(description="what it was trained on; null of one that was trained elsewhere")
    created_at: datetime

    @classmethod
    def of(cls, version: AdapterVersion, *, model: str, parent: str | None, override: Override | None) -> Self:
        return cls(
            id=version.id,
            name=f"{model}@v{version.number}",
            number=version.number,
            digest=version.digest,
            parent=f"{model}@v{parent}" if parent else None,
            contract=Contract.model_validate(version.manifest["contract"]),
            files=[cast(FileRead, file) for file in version.files],
            parity=version.parity,
            training=version.training,
            override=override,
            origin=version.origin,
            snapshot_id=version.snapshot_id,
            created_at=version.created_at,
        )
