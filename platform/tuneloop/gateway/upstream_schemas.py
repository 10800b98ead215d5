"""What engines answer: OpenAI's chat and text completions, whole or in chunks, as far as we read them."""

from typing import Any

from pydantic import BaseModel, Field


class TokenEntry(BaseModel):
    """One entry of OpenAI's `logprobs.content`."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[dict[str, Any]] = Field(default_factory=list)


class Extra(BaseModel):
    """What our own serving host adds to its answers."""

    digest: str
    confidence: float
    margin: float


class ChatLogprobs(BaseModel):
    content: list[TokenEntry] | None = None

    def entries(self) -> list[TokenEntry]:
        return self.content or []


class TextLogprobs(BaseModel):
    """Log-probabilities of `/v1/completions`."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None = None

    def entries(self) -> list[TokenEntry]:
        tops = self.top_logprobs or [{} for _ in self.tokens]
        return [
            TokenEntry(
                token=token,
                logprob=logprob,
                bytes=list(token.encode()),
                top_logprobs=[_alternative(*pair) for pair in top.items()],
            )
            for token, logprob, top in zip(self.tokens, self.token_logprobs, tops, strict=True)
        ]


class UpstreamContent(BaseModel):
    content: str | None = None


class UpstreamChoice(BaseModel):
    """`message`: a whole chat answer, `delta`: a piece of one, `content`: either of a text completion."""

    message: UpstreamContent | None = None
    delta: UpstreamContent | None = None
    content: str | None = Field(default=None, alias="text")
    logprobs: TextLogprobs | ChatLogprobs | None = None
    finish_reason: str | None = None

    @property
    def text(self) -> str:
        part = self.message or self.delta
        return (part.content if part else self.content) or ""

    @property
    def tokens(self) -> list[TokenEntry]:
        return self.logprobs.entries() if self.logprobs else []


class Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Body(BaseModel):
    """A whole answer, one chunk of it, or an error."""

    choices: list[UpstreamChoice] = Field(default_factory=list)
    usage: Usage | None = None
    tuneloop: Extra | None = None
    error: dict[str, Any] | None = None


def _alternative(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
