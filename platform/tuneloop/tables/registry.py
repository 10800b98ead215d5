"""Base models, registered models, adapter versions and the aliases that point at them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned, Row


class BaseModel(Row, table=True):
    """A pair of training weights and serving GGUF, shared by all tenants; only the platform registers one.

    `weights_sha256` is the digest of the HF folder in the object store. With `upstream_url` the adapters are
    served by an OpenAI-compatible server instead of the local engine. `context_length` is the one number by which
    examples are refused, trained, evaluated and served: the most tokens of a prompt with its answer.
    `chat` is its own chat template (`registry.contract.BaseChat`), if it has one.
    """

    __tablename__ = "base_model"

    name: str = Field(unique=True)
    source: str
    revision: str
    licence: str
    architecture: str
    quantisation: str
    gguf_sha256: str
    weights_sha256: str
    context_length: int
    upstream_url: str | None = None
    chat: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)
    created_at: datetime = Field(default_factory=now)


class BaseTokenizer(Row, table=True):
    """A base's tokenizer.json, compressed by zlib: who takes examples in has no access to the object store."""

    __tablename__ = "base_tokenizer"

    base_id: UUID = Field(foreign_key="base_model.id", unique=True, ondelete="CASCADE")
    content: bytes


class RegisteredModel(ClientOwned, table=True):
    """A client's model: `contract` and `policy` are what the next version is built and judged with.

    With `quantisation` set, every version also ships merged GGUF files up to that quantisation.
    """

    __tablename__ = "registered_model"
    __table_args__ = (UniqueConstraint("client_id", "slug"),)

    slug: str
    base_id: UUID = Field(foreign_key="base_model.id")
    contract: dict[str, Any] = Field(sa_type=JSONB)
    policy: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    quantisation: str | None = None
    created_at: datetime = Field(default_factory=now)


class Origin(StrEnum):
    """Who made a version's adapter: a cycle's training here, or somebody who brought it along.

    An external version has no adapter: an OpenAI-compatible service answers (`ExternalEndpoint`).
    """

    TRAINED = "trained"
    IMPORTED = "imported"
    EXTERNAL = "external"


class AdapterVersion(ClientOwned, table=True):
    """One immutable version: its manifest, its files and where it came from.

    `snapshot_id` is what it was trained on; nobody knows that of one that was not trained here.
    """

    __tablename__ = "adapter_version"
    __table_args__ = (UniqueConstraint("model_id", "number"), UniqueConstraint("model_id", "digest"))

    model_id: UUID = Field(foreign_key="registered_model.id")
    number: str
    digest: str
    manifest: dict[str, Any] = Field(sa_type=JSONB)
    parts: list[dict[str, Any]] = Field(sa_type=JSONB, description="PEFT folders and scales, in manifest order")
    files: list[dict[str, Any]] = Field(sa_type=JSONB)
    parity: dict[str, Any] = Field(sa_type=JSONB)
    parent_id: UUID | None = Field(default=None, foreign_key="adapter_version.id")
    origin: Origin = Field(default=Origin.TRAINED, sa_type=text_enum(Origin))
    snapshot_id: UUID | None = Field(default=None, foreign_key="snapshot.id")
    training: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime = Field(default_factory=now)


class Alias(StrEnum):
    PRODUCTION = "production"
    CANDIDATE = "candidate"
    PREVIOUS = "previous"


class VersionAlias(ClientOwned, table=True):
    """A name that moves between versions."""

    __tablename__ = "version_alias"
    __table_args__ = (UniqueConstraint("model_id", "name"),)

    model_id: UUID = Field(foreign_key="registered_model.id")
    name: Alias = Field(sa_type=text_enum(Alias))
    version_id: UUID = Field(foreign_key="adapter_version.id")
    moved_at: datetime = Field(default_factory=now)
