"""Questions and answers in the many shapes in which logs keep them."""

import math
from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import ValidationError

from tuneloop.datasets.logs.logged import NoAnswer, Unreadable
from tuneloop.kit.clean_text import clean
from tuneloop.registry.templates import Message

_ROLES: Final = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "ai", "model", "gpt"), "assistant"),
}
_MOST: Final = 500


def unpacked(value: Any) -> Any:
    """JSON that is kept as text, as tables do it."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def text_of(content: Any) -> str | None:
    """A text, or the joined texts of parts as OpenAI and OpenTelemetry write them."""
    if isinstance(content, str):
        return clean(content)
    if not isinstance(content, list):
        return None
    parts = [part.get("text", part.get("content")) for part in content if isinstance(part, Mapping)]
    texts = [part for part in parts if isinstance(part, str)]
    return clean("".join(texts)) if texts and len(texts) == len(content) else None


def question_of(value: Any) -> tuple[Message, ...]:
    """The conversation that was asked.

    Raises:
        NoAnswer: tools take part in it.
        Unreadable: it is no conversation.
    """
    value = unpacked(value)
    if isinstance(value, Mapping):
        for key in ("messages", "input", "prompt", "query", "question", "text"):
            if value.get(key):
                return question_of(value[key])
        value = [value] if "role" in value else value
    if isinstance(value, str) and value.strip():
        return (_message("user", value),)
    if isinstance(value, list) and value and len(value) <= _MOST:
        return tuple(_turn(each) for each in value)
    raise Unreadable("the question is missing; export the answers with the messages that were asked")


def answer_of(value: Any) -> str:
    """The text that was answered, out of a message, a completion, a response or a list that ends with one.

    Raises:
        NoAnswer: there is no text: a tool was called, or the request failed.
    """
    value = unpacked(value)
    if isinstance(value, str):
        return clean(value).strip()
    if isinstance(value, list) and value:
        as_parts = text_of(value)
        choices = isinstance(value[0], Mapping) and "message" in value[0]
        return as_parts.strip() if as_parts is not None else answer_of(value[0] if choices else value[-1])
    if isinstance(value, Mapping):
        for key in ("choices", "message", "output_text", "output", "content", "parts", "text", "answer", "response"):
            if value.get(key):
                return answer_of(value[key])
    raise NoAnswer


def certainty_of(completion: Any) -> float | None:
    """The probability of the whole answer, from OpenAI's log-probabilities of its tokens."""
    completion = unpacked(completion)
    try:
        tokens = completion["choices"][0]["logprobs"]["content"]
        return min(1.0, math.exp(sum(float(token["logprob"]) for token in tokens))) if tokens else None
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _turn(each: Any) -> Message:
    if isinstance(each, str):
        return _message("user", each)
    role = _ROLES.get(str(each.get("role", each.get("type")))) if isinstance(each, Mapping) else None
    content = text_of(each.get("content", each.get("parts"))) if isinstance(each, Mapping) else None
    if role is None or content is None:
        raise NoAnswer
    return _message(role, content)


def _message(role: str, content: str) -> Message:
    try:
        return Message.model_validate({"role": role, "content": clean(content)})
    except ValidationError as error:
        raise Unreadable("a message has more than 200,000 letters; leave the row out") from error
