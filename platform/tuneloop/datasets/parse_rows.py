"""The shapes a row may have, checked: one JSON object or the cells of one CSV record to a `ParsedRow`."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from tuneloop.datasets.row import ParsedRow, ProblemKind, RowProblem
from tuneloop.registry.templates import Message

MAX_MESSAGES = 1_000
Text = Annotated[str, StringConstraints(max_length=200_000)]
Category = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]

_SHAPES = "messages, or prompt and completion, or text and label, each with an optional category"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    category: Category | None = None


class _Chat(_Record):
    messages: list[Message] = Field(max_length=MAX_MESSAGES)


class _Prompt(_Record):
    prompt: Text
    completion: Text


class _Labelled(_Record):
    text: Text
    label: Text


def parse_json(line: int, raw: bytes) -> ParsedRow | RowProblem:
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return problem(line, f"not valid JSON, {_reason(error)}; write one JSON object per line")
    if not isinstance(record, dict):
        return problem(line, f"a row must be a JSON object with {_SHAPES}")
    return parse_record(line, record)


def parse_record(line: int, record: Mapping[str, Any]) -> ParsedRow | RowProblem:
    """The row that the record's keys describe."""
    try:
        if "messages" in record:
            chat = _Chat.model_validate(record)
            return _row(line, tuple(chat.messages[:-1]), chat.messages[-1:], chat.category)
        if "prompt" in record or "completion" in record:
            pair = _Prompt.model_validate(record)
            return _row(line, (_user(pair.prompt),), [_assistant(pair.completion)], pair.category)
        if "text" in record or "label" in record:
            labelled = _Labelled.model_validate(record)
            return _row(line, (_user(labelled.text),), [_assistant(labelled.label)], labelled.category)
    except ValidationError as error:
        return problem(line, f"{_fields(error)}; a row has {_SHAPES}")
    return problem(line, f"none of the known keys; a row has {_SHAPES}")


def problem(line: int, message: str) -> RowProblem:
    return RowProblem(line, ProblemKind.FORMAT, message)


def _row(line: int, messages: tuple[Message, ...], last: list[Message], category: str | None) -> ParsedRow | RowProblem:
    if not last or last[0].role != "assistant":
        return problem(line, "the last message must be the assistant's; it is the answer to learn")
    expected = last[0].content.strip()
    if not expected:
        return problem(line, "the answer is empty; write the label or text that the model should give")
    if not any(message.role == "user" and message.content.strip() for message in messages):
        return problem(line, "the user's text is empty; write it or remove the row")
    if any("\0" in text for text in (expected, category or "", *(message.content for message in messages))):
        return problem(line, "contains a NUL character; remove it")
    return ParsedRow(line, messages, expected, category)


def _user(text: str) -> Message:
    return Message(role="user", content=text)


def _assistant(text: str) -> Message:
    return Message(role="assistant", content=text)


def _reason(error: orjson.JSONDecodeError) -> str:
    return f"{error.msg} at character {error.pos + 1}"


def _fields(error: ValidationError) -> str:
    """The first three things that are wrong, by field, without the caller's text."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    described = [f"{_path(each['loc'])}: {each['msg']}" for each in found[:3]]
    return ", ".join(described) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:40] for part in location)
