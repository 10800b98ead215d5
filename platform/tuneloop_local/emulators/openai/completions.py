"""Answers in the service's shape, whole and in chunks, with the log-probabilities that were asked for."""

import json
import re
import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

from tuneloop.kit.clock import now
from tuneloop_local.emulators.openai.account import HostedModel

_TOKEN = re.compile(r"\s?\w{1,4}|\s?[^\w\s]+|\s+")
_LETTERS = string.ascii_letters + string.digits


def tokens_of(text: str) -> list[str]:
    """Pieces of a few letters each, the space with the word that it stands before."""
    return _TOKEN.findall(text)


@dataclass
class Completion:
    """One answer; `asked` is the body of its request."""

    model: HostedModel
    asked: dict[str, Any]
    id: str = field(default_factory=lambda: "chatcmpl-" + "".join(secrets.choice(_LETTERS) for _ in range(29)))
    created: int = field(default_factory=lambda: int(now().timestamp()))

    def __post_init__(self) -> None:
        spoken = tokens_of(self.model.answer(self.asked["messages"]))
        most = self.asked.get("max_completion_tokens") or self.asked.get("max_tokens") or len(spoken)
        self.tokens = spoken[:most]
        self.finish_reason = "stop" if len(spoken) <= most else "length"

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(self.tokens),
            "refusal": None,
            "annotations": [],
        }
        choice = {
            "index": 0,
            "message": message,
            "logprobs": self._logprobs(self.tokens),
            "finish_reason": self.finish_reason,
        }
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage(), "service_tier": "default"}

    def chunks(self) -> Iterator[bytes]:
        yield self._chunk({"role": "assistant", "content": "", "refusal": None})
        for token in self.tokens:
            yield self._chunk({"content": token}, logprobs=self._logprobs([token]))
        yield self._chunk({}, finish_reason=self.finish_reason)
        if self._wants_usage:
            yield _event({**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage()})
        yield b"data: [DONE]\n\n"

    def usage(self) -> dict[str, Any]:
        asked = sum(len(tokens_of(str(message.get("content")))) + 4 for message in self.asked["messages"])
        return {
            "prompt_tokens": asked,
            "completion_tokens": len(self.tokens),
            "total_tokens": asked + len(self.tokens),
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }

    @property
    def _wants_usage(self) -> bool:
        return bool((self.asked.get("stream_options") or {}).get("include_usage"))

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model.id,
            "system_fingerprint": "fp_emulator",
        }

    def _chunk(
        self, delta: dict[str, Any], *, logprobs: dict[str, Any] | None = None, finish_reason: str | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        usage = {"usage": None} if self._wants_usage else {}
        padding = secrets.token_urlsafe(6)
        body = {**self._head("chat.completion.chunk"), "choices": [choice], **usage, "obfuscation": padding}
        return _event(body)

    def _logprobs(self, tokens: list[str]) -> dict[str, Any] | None:
        if not self.asked.get("logprobs"):
            return None
        return {"content": [self._entry(token) for token in tokens], "refusal": None}

    def _entry(self, token: str) -> dict[str, Any]:
        """The rest of the probability is the second token's."""
        second = log(max(1e-9, 1 - exp(self.model.logprob)))
        alternatives = [_bare(token, self.model.logprob), _bare(" other", second)]
        return {
            **_bare(token, self.model.logprob),
            "top_logprobs": alternatives[: self.asked.get("top_logprobs") or 0],
        }


def _bare(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"
