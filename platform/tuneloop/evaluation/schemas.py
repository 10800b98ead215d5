"""What the endpoints of tried prompts read and write, and the rows of a comparison."""

from typing import Annotated, Any, NotRequired, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from tuneloop.kit.figures import DifferenceRead, RateRead
from tuneloop.registry.contract import Quantisation
from tuneloop.registry.templates import Message
from tuneloop.tables import Alias

VersionName = Annotated[str, Field(min_length=1, max_length=64)]


class TryCreate(BaseModel):
    """A `prompt`, or a whole conversation. Versions by alias, number (`v1.2`) or digest."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"prompt": "Where is my parcel?"}]})

    prompt: str | None = Field(default=None, min_length=1, max_length=20_000)
    messages: list[Message] | None = Field(default=None, min_length=1, max_length=50)
    versions: list[VersionName] = Field(default=[Alias.PRODUCTION, Alias.CANDIDATE], min_length=1, max_length=4)

    @model_validator(mode="after")
    def asks_one_thing(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        if len(set(self.versions)) != len(self.versions):
            raise ValueError("versions must be distinct")
        return self

    @property
    def conversation(self) -> list[Message]:
        return self.messages or [Message(role="user", content=self.prompt or "")]


class AnsweredRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    asked: str
    version: str
    digest: str
    text: str
    confidence: float | None
    margin: float | None
    finish_reason: str
    latency_ms: float


class PromptComparison(BaseModel):
    """`same` when all versions gave the same text."""

    answers: list[AnsweredRead]
    same: bool


class ChangedItem(TypedDict):
    """An item that one version got right and the other wrong."""

    example_id: NotRequired[str]
    category: str
    expected: str
    production: str
    candidate: str


class ComparedRow(TypedDict):
    """Both versions on `n` items: overall, in a group of categories, or in one."""

    key: str
    title: str
    n: int
    production: RateRead
    candidate: RateRead
    difference: DifferenceRead
    fixed: int
    broken: int
    p_value: NotRequired[float]


class ComparisonTable(TypedDict, total=False):
    """One look of a gate, as it is stored; `disagreements` where traffic was asked, `renewal` of the golden set."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    rows: list[ComparedRow]
    target: list[str]
    categories: list[ComparedRow]
    fixed: list[ChangedItem]
    broken: list[ChangedItem]
    renewal: dict[str, Any]
    disagreements: dict[str, Any]


class QuantisationRow(TypedDict):
    """One file on the golden set. `size` in bytes; a flip is another answer than F16's, right or wrong."""

    quantisation: Quantisation
    size: int
    n: int
    accuracy: RateRead
    flips: RateRead
    difference: DifferenceRead
    finding: str
    reason: str


class Quantisations(TypedDict):
    """`proposed` is the smallest file that is proven to keep within the margin."""

    proposed: Quantisation | None
    margin: NotRequired[float]
    rows: list[QuantisationRow]
