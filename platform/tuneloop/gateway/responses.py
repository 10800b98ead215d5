"""What `/v1` answers: OpenAI's objects, with our `tuneloop` object beside them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from tuneloop.gateway.engine import Certainty, Delta, EngineReply
from tuneloop.gateway.errors import error_body
from tuneloop.gateway.routes import Route
from tuneloop.gateway.upstream_schemas import TokenEntry
from tuneloop.kit.errors import TuneloopError
from tuneloop.predictions.completion_ids import completion_id

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Completion:
    """What every object about one answer carries. `created`: seconds since 1970."""

    id: UUID
    created: int
    route: Route
    logprobs: bool

    def whole(self, reply: EngineReply) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": reply.text, "refusal": None},
            "logprobs": self._logprobs(reply.tokens),
            "finish_reason": reply.finish_reason,
        }
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": usage(reply),
            "tuneloop": self._extra(reply.certainty),
        }

    def opening(self) -> bytes:
        return self._chunk([_piece({"role": "assistant", "content": ""})])

    def piece(self, delta: Delta) -> bytes:
        return self._chunk([_piece({"content": delta.text}, logprobs=self._logprobs(delta.tokens))])

    def closing(self, reply: EngineReply, *, include_usage: bool) -> bytes:
        last = self._chunk([_piece({}, finish_reason=reply.finish_reason)], tuneloop=self._extra(reply.certainty))
        return last + (self._chunk([], usage=usage(reply)) if include_usage else b"") + DONE

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": completion_id(self.id),
            "object": kind,
            "created": self.created,
            "model": self.route.name,
            "system_fingerprint": self.route.digest[:16],
        }

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return _event({**self._head("chat.completion.chunk"), "choices": choices, **more})

    def _logprobs(self, tokens: list[TokenEntry]) -> dict[str, Any] | None:
        if not self.logprobs:
            return None
        return {"content": [token.model_dump() for token in tokens], "refusal": None}

    def _extra(self, certainty: Certainty) -> dict[str, Any]:
        return {"digest": self.route.digest, **certainty._asdict()}


def usage(reply: EngineReply) -> dict[str, int]:
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
    }


def failure(error: TuneloopError) -> bytes:
    """An error after the answer has begun."""
    return _event(error_body(error.status, error.code, error.message))


def model_object(name: str, route: Route) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(route.created_at.timestamp()), "owned_by": route.owner}


def _piece(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **more}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
