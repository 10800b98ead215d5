"""OpenAI's chat objects as the serving host reads and writes them, with our `tuneloop` object beside them."""

import math
import time
from collections.abc import Sequence
from secrets import randbits
from typing import Annotated, Any
from uuid import uuid4

import orjson
from pydantic import BaseModel, ConfigDict, Field

from tuneloop.registry.contract import Sha256
from tuneloop.registry.templates import Message
from tuneloop_workers.serving.answer import EngineAnswer, TokenLogprob
from tuneloop_workers.serving.decoding import Options
from tuneloop_workers.serving.servable import Servable

DONE = b"data: [DONE]\n\n"


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """`model` is a manifest's digest. Absent decoding fields take the contract's values; an absent seed is random."""

    model_config = ConfigDict(frozen=True)

    model: Sha256
    messages: Annotated[list[Message], Field(min_length=1, max_length=500)]
    max_tokens: int | None = Field(default=None, ge=1, le=4096)
    temperature: float | None = Field(default=None, ge=0, le=2)
    seed: int | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    logprobs: bool = False
    top_logprobs: int = Field(default=0, ge=0, le=20)

    def options(self, version: Servable) -> Options:
        own = version.options()
        return Options(
            max_tokens=self.max_tokens or own.max_tokens,
            temperature=own.temperature if self.temperature is None else self.temperature,
            stop=own.stop,
            seed=randbits(32) if self.seed is None else self.seed % 2**64,
            alternatives=self.top_logprobs if self.logprobs else 0,
        )


class LoadRequest(BaseModel):
    digest: Sha256


class Completion:
    """The objects of one answer. Log-probabilities are written when the request asked for them."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._head = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": request.model}

    def whole(self, answer: EngineAnswer) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": answer.text, "refusal": None},
            "logprobs": self._logprobs(_entries(answer, self._request.top_logprobs)),
            "finish_reason": answer.finish_reason,
        }
        head = {**self._head, "object": "chat.completion"}
        return {**head, "choices": [choice], "usage": _usage(answer), "tuneloop": self._extra(answer)}

    def opening(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""}, None, None)

    def piece(self, text: str, tokens: Sequence[TokenLogprob]) -> bytes:
        return self._chunk({"content": text}, self._logprobs([_entry(token) for token in tokens]), None)

    def label(self, answer: EngineAnswer) -> bytes:
        """The one piece of a classification."""
        logprobs = self._logprobs(_entries(answer, self._request.top_logprobs))
        return self._chunk({"content": answer.text}, logprobs, None)

    def closing(self, answer: EngineAnswer) -> bytes:
        last = self._chunk({}, None, answer.finish_reason, tuneloop=self._extra(answer))
        if self._request.stream_options.include_usage:
            last += _event({**self._head, **_CHUNK, "choices": [], "usage": _usage(answer)})
        return last + DONE

    def _chunk(
        self, delta: dict[str, str], logprobs: dict[str, Any] | None, finish_reason: str | None, **more: Any
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return _event({**self._head, **_CHUNK, "choices": [choice], **more})

    def _logprobs(self, entries: list[dict[str, Any]]) -> dict[str, Any] | None:
        return {"content": entries, "refusal": None} if self._request.logprobs else None

    def _extra(self, answer: EngineAnswer) -> dict[str, Any]:
        return {
            "digest": self._request.model,
            "confidence": answer.confidence,
            "margin": answer.margin,
            "min_logprob": answer.min_logprob,
            "probabilities": answer.probabilities,
            "latency_ms": answer.latency_ms,
        }


_CHUNK = {"object": "chat.completion.chunk"}


def failure(body: dict[str, Any]) -> bytes:
    """An error after the answer has begun."""
    return _event(body)


def _entries(answer: EngineAnswer, alternatives: int) -> list[dict[str, Any]]:
    """Tokens of a text; a label counts as one token, whose alternatives are the other labels."""
    if answer.probabilities is None:
        return [_entry(token) for token in answer.tokens]
    ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])[:alternatives]
    return [
        _token(answer.text, math.log(answer.confidence or 1e-300))
        | {"top_logprobs": [_token(label, math.log(max(probability, 1e-300))) for label, probability in ranked]}
    ]


def _entry(token: TokenLogprob) -> dict[str, Any]:
    tops = [_token(each.text, each.logprob) for each in token.alternatives]
    return _token(token.text, token.logprob) | {"top_logprobs": tops}


def _token(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _usage(answer: EngineAnswer) -> dict[str, int]:
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
    }


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
