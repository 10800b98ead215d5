"""What `/v1/chat/completions` reads: the part of OpenAI's request that a fine-tuned text model can honour."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tuneloop.kit.clean_text import CleanText, clean
from tuneloop.registry.templates import Message

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "top_p": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "logit_bias": ({},),
    "stop": ([], ""),
    "tool_calls": ([],),
    "annotations": ([],),
}
"""Values at which a parameter changes nothing."""

Text = Annotated[str, StringConstraints(max_length=200_000)]


class _Lenient(BaseModel):
    """Client libraries send parameters that change nothing, as null or as their default: those are left out."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def leave_out_what_changes_nothing(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None and not _is_neutral(key, value)}


class TextPart(_Lenient):
    type: Literal["text"]
    text: Text


class ChatMessage(_Lenient):
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]
    name: str | None = Field(default=None, max_length=512, description="taken, and not shown to the model")

    def plain(self) -> Message:
        """As it is asked and stored."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return Message(role="system" if self.role == "developer" else self.role, content=clean(text))


class StreamOptions(_Lenient):
    include_usage: bool = False


class ChatRequest(_Lenient):
    """A parameter that is neither here nor at its default is named in a header or refused (`client_parameters`)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"model": "acme/support", "messages": [{"role": "user", "content": "Where is my parcel?"}]}]
        },
    )

    model: str = Field(min_length=1, max_length=200, description="client/model, optionally @v1.2")
    messages: list[ChatMessage] = Field(min_length=1, max_length=500)
    max_tokens: int | None = Field(default=None, ge=1, le=4096)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=4096)
    temperature: float | None = Field(default=None, ge=0, le=2)
    seed: int | None = Field(default=None, ge=0)
    n: Literal[1] = 1
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    logprobs: bool = False
    top_logprobs: int = Field(default=0, ge=0, le=20)
    user: CleanText | None = Field(default=None, max_length=512, description="your id of the person who asks")
    safety_identifier: CleanText | None = Field(
        default=None, max_length=512, description="OpenAI's newer name of `user`"
    )
    store: bool | None = Field(default=None, description="false: answered, and nothing of it is kept or counted")
    metadata: dict[str, Any] = Field(
        default_factory=dict, max_length=16, description="`tuneloop_purpose`: test or health, which are not kept either"
    )

    @property
    def person(self) -> str | None:
        """The caller's id of who asks, by whichever name."""
        return self.user or self.safety_identifier

    @model_validator(mode="after")
    def alternatives_need_logprobs(self) -> "ChatRequest":
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs=true")
        return self


def _is_neutral(key: str, value: Any) -> bool:
    return any(bool(neutral == value) for neutral in NEUTRAL.get(key, ()))
