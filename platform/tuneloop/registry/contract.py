"""What a model version promises: the prompt it reads, the answers it may give, and the files that give them.

A `Manifest` is the complete definition of one servable version. Its digest is the version's identity: the gate
judges a digest, an approval names a digest, the gateway serves a digest.
"""

from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^\S(.*\S)?$")]


CONTEXT_TOKENS = 8_192
"""Most tokens of a prompt with its answer, in training, evaluation and serving, unless a base is registered for another
number. The serving host keeps memory for as many, shared by all requests."""


class Task(StrEnum):
    CLASSIFY = "classify"
    GENERATE = "generate"


class Template(StrEnum):
    """Prompt formats we ship, and the base's own (`BaseChat`). Tenants choose one; they never supply one."""

    PLAIN = "plain"
    GEMMA = "gemma"
    CHATML = "chatml"
    LLAMA3 = "llama3"
    BASE = "base"


class Quantisation(StrEnum):
    F16 = "F16"
    Q8_0 = "Q8_0"
    Q5_K_M = "Q5_K_M"
    Q4_K_M = "Q4_K_M"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Decoding(Frozen):
    max_tokens: int = Field(default=64, ge=1, le=4096)
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    stop: tuple[str, ...] = ()


class BaseChat(Frozen):
    """A base's own chat template (Jinja), as it was when the base was registered with the installation.

    `controls` are the control tokens that it writes, `end` the one that ends an answer. With `begins` every prompt
    begins with `bos` anyway.
    """

    template: str = Field(max_length=200_000)
    controls: tuple[str, ...]
    bos: str
    eos: str
    begins: bool
    end: str


class Contract(Frozen):
    """Prompt, answer space and decoding of a model.

    `facts` is reference text that is rendered after the system prompt in every request; grounding checks read it.
    `groups` names the group of a label where labels form a hierarchy; evaluations then report groups too.
    """

    task: Task
    system_prompt: str = Field(max_length=20_000)
    template: Template = Template.PLAIN
    facts: str = Field(default="", max_length=60_000)
    labels: tuple[Label, ...] = ()
    groups: dict[Label, Label] = Field(default_factory=dict)
    decoding: Decoding = Decoding()
    chat: BaseChat | None = Field(
        default=None,
        exclude_if=lambda chat: chat is None,
        description="the base's own template, filled in by the server where `template` is base",
    )

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @model_validator(mode="after")
    def labels_fit_the_task(self) -> Self:
        if self.task is Task.CLASSIFY and len(self.labels) < 2:
            raise ValueError("a classify model needs at least two labels")
        if self.task is Task.GENERATE and self.labels:
            raise ValueError("a generate model has no label set")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be distinct")
        if strangers := sorted(set(self.groups) - set(self.labels)):
            raise ValueError(f"groups name labels that there are not: {', '.join(strangers)}")
        return self


class BaseRef(Frozen):
    """The base model as a pair: the GGUF that serves and the weights that train."""

    architecture: str
    quantisation: str
    gguf_sha256: Sha256
    weights_sha256: Sha256


class AdapterPart(Frozen):
    """One GGUF LoRA file and the scale it is applied with."""

    sha256: Sha256
    scale: float = Field(default=1.0, gt=0.0, le=1.0)


class Definition(Frozen):
    """What every version is defined by; the digest is of all of it."""

    contract: Contract
    engine: str

    def canonical(self) -> bytes:
        return orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)

    @property
    def digest(self) -> str:
        return sha256(self.canonical()).hexdigest()


class Manifest(Definition):
    """A version that we serve from files."""

    base: BaseRef
    adapters: tuple[AdapterPart, ...]


EXTERNAL_ENGINE = "external"


class ServiceRef(Frozen):
    """A model of an OpenAI-compatible service."""

    url: str
    model: str


class ExternalManifest(Definition):
    """A version that an OpenAI-compatible service answers for. Nobody here knows its files."""

    engine: str = EXTERNAL_ENGINE
    service: ServiceRef
