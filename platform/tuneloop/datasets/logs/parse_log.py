"""A row of a log to an answer: OpenAI's stored completions, Langfuse, LiteLLM, and tables of questions and answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tuneloop.datasets.columns import Unclear, columns_of
from tuneloop.datasets.logs.logged import LoggedAnswer, LogSource, NoAnswer, Unreadable, time_of
from tuneloop.datasets.logs.said import answer_of, certainty_of, question_of, unpacked
from tuneloop.datasets.row import Choice, Record
from tuneloop.registry.templates import Message

TIMES: Final = (
    *("at", "time", "timestamp", "created_at", "created", "answered_at", "startTime", "start_time", "start_date"),
    *("datetime", "date", "logged_at", "createdAt", "zeit", "datum"),
)
_KEYS: Final = ("id", "request_id", "completion_id", "response_id", "trace_id", "traceId")
_USERS: Final = ("end_user", "user_id", "userId", "user")
_FAILED: Final = frozenset({"failure", "failed", "error"})
_ANSWERS: Final = ("output", "response", "choices", "answer", "completion", "prediction", "predicted_label")


def source_of(values: Mapping[str, Any]) -> LogSource:
    if values.get("object") == "chat.completion" or "choices" in values or "custom_id" in values:
        return LogSource.OPENAI
    if "call_type" in values or {"request_id", "startTime"} <= values.keys():
        return LogSource.LITELLM
    if {"input", "output"} <= values.keys() and values.keys() & {"traceId", "timestamp", "startTime", "start_time"}:
        return LogSource.LANGFUSE
    return LogSource.TABLE


def parse_log(record: Record, choice: Choice, *, time_column: str | None = None) -> LoggedAnswer:
    """
    Raises:
        NoAnswer: the row is no answer: left out without a word.
        Unreadable: something is missing; says what, and what to do.
    """
    values = record.values
    _refuse_others(values)
    messages, said = _conversation(values, choice)
    answer = answer_of(said)
    if not answer:
        raise NoAnswer
    at = time_of(values.get(time_column)) if time_column else _time(values)
    if at is None:
        raise Unreadable("the time of the answer is missing; add a column 'at', such as 2026-10-01T09:30:00Z")
    usage = _usage(values)
    return LoggedAnswer(
        line=record.line,
        source=source_of(values),
        key=_first(values, _KEYS),
        at=at,
        messages=messages,
        answer=answer,
        confidence=_confidence(values),
        prompt_tokens=_count(usage, ("prompt_tokens", "input_tokens", "input", "promptTokens")),
        completion_tokens=_count(usage, ("completion_tokens", "output_tokens", "output", "completionTokens")),
        latency_ms=_latency(values),
        end_user=_first(values, _USERS),
    )


def _refuse_others(values: Mapping[str, Any]) -> None:
    kind = values.get("type")
    is_step = isinstance(kind, str) and kind.upper() in {"SPAN", "EVENT", "TOOL", "RETRIEVER", "EMBEDDING"}
    failed = values.get("level") == "ERROR" or str(values.get("status", "")).lower() in _FAILED
    if is_step or failed or str(values.get("call_type", "")).endswith("embedding"):
        raise NoAnswer


def _conversation(values: Mapping[str, Any], choice: Choice) -> tuple[tuple[Message, ...], Any]:
    """The question, and what holds the answer."""
    if not (choice.text or choice.answer):
        body = unpacked(values.get("response"))
        if isinstance(body, Mapping) and isinstance(body.get("body"), Mapping):
            body = body["body"]
        request = unpacked(values.get("request")) or unpacked(values.get("body"))
        asked = values.get("messages") or (request if isinstance(request, Mapping) else None) or values.get("input")
        given = body or next((values[key] for key in _ANSWERS if values.get(key)), None)
        if asked is not None and given is not None:
            return question_of(asked), given
        if isinstance(asked, list) and asked:
            *before, last = question_of(asked)
            if before and last.role == "assistant":
                return tuple(before), last.content
            raise NoAnswer
        if "choices" in values or "custom_id" in values:
            raise Unreadable("the question is missing; export the answers with the messages that were asked")
    try:
        columns = columns_of(values, choice)
    except Unclear as error:
        raise Unreadable(str(error)) from error
    return question_of(values.get(columns.text)), values.get(columns.answer)


def _time(values: Mapping[str, Any]) -> Any:
    by_name = {name.strip().casefold(): value for name, value in values.items()}
    found = (time_of(by_name.get(name.casefold())) for name in TIMES)
    return next((at for at in found if at is not None), None)


def _usage(values: Mapping[str, Any]) -> Mapping[str, Any]:
    for held in (values.get("usage"), values.get("usageDetails"), values.get("usage_details")):
        if isinstance(found := unpacked(held), Mapping):
            return found
    body = unpacked(values.get("response"))
    return body["usage"] if isinstance(body, Mapping) and isinstance(body.get("usage"), Mapping) else values


def _confidence(values: Mapping[str, Any]) -> float | None:
    given = _number(values.get("confidence"))
    if given is not None:
        return given if 0 <= given <= 1 else None
    return certainty_of(values) or certainty_of(values.get("response"))


def _latency(values: Mapping[str, Any]) -> float:
    """Milliseconds; logs write the seconds, or when the answer began and ended."""
    if (given := _number(values.get("latency_ms"))) is not None:
        return max(given, 0.0)
    if (seconds := _number(values.get("latency"))) is not None:
        return max(seconds, 0.0) * 1000
    for start, end in (("startTime", "endTime"), ("start_time", "end_time")):
        began, ended = time_of(values.get(start)), time_of(values.get(end))
        if began and ended:
            return max((ended - began).total_seconds(), 0.0) * 1000
    return 0.0


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except ValueError:
        return None


def _count(values: Mapping[str, Any], names: Sequence[str]) -> int:
    found = (_number(values.get(name)) for name in names)
    return next((int(n) for n in found if n is not None and 0 <= n < 1 << 31), 0)


def _first(values: Mapping[str, Any], names: Sequence[str]) -> str | None:
    found = (values.get(name) for name in names)
    return next((str(value)[:300] for value in found if isinstance(value, str | int) and value != ""), None)
