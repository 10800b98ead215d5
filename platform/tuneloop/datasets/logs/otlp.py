"""Spans of OpenTelemetry's conventions for generative AI, as collectors post them (OTLP over HTTP, in JSON).

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ and, for messages as events or numbered attributes,
what was common before.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tuneloop.datasets.logs.logged import LoggedAnswer, LogSource, NoAnswer, Unreadable, time_of
from tuneloop.datasets.logs.said import answer_of, question_of, unpacked
from tuneloop.datasets.row import RowProblem, problem
from tuneloop.registry.templates import Message

_ANSWERING: Final = frozenset({"chat", "text_completion", "generate_content", "completion"})
_NUMBERED: Final = re.compile(r"gen_ai\.(prompt|completion)\.(\d+)\.(role|content)")
_EVENT_ROLES: Final = {"gen_ai.system.message": "system", "gen_ai.user.message": "user"}


def answers_of(body: Mapping[str, Any]) -> Iterator[LoggedAnswer | RowProblem]:
    """Answers in the spans of a request, numbered in its order; spans of anything else are left out."""
    number = 0
    for resource in _list(body, "resourceSpans"):
        for scope in _list(resource, "scopeSpans"):
            for span in _list(scope, "spans"):
                number += 1
                try:
                    yield _answer(number, span)
                except NoAnswer:
                    continue
                except Unreadable as error:
                    yield problem(number, str(error))


def _answer(number: int, span: Mapping[str, Any]) -> LoggedAnswer:
    attributes = _attributes(span)
    operation = attributes.get("gen_ai.operation.name", attributes.get("llm.request.type"))
    if operation not in _ANSWERING:
        raise NoAnswer
    began, ended = (time_of(str(span.get(name, ""))) for name in ("startTimeUnixNano", "endTimeUnixNano"))
    if began is None:
        raise Unreadable("startTimeUnixNano is missing; it is the time of the answer")
    messages, said = _conversation(span, attributes)
    answer = answer_of(said)
    if not answer:
        raise NoAnswer
    return LoggedAnswer(
        line=number,
        source=LogSource.OTLP,
        key=str(attributes.get("gen_ai.response.id") or f"{span.get('traceId')}/{span.get('spanId')}")[:300],
        at=began,
        messages=messages,
        answer=answer,
        finish_reason="length" if "length" in str(attributes.get("gen_ai.response.finish_reasons")) else "stop",
        prompt_tokens=_count(attributes.get("gen_ai.usage.input_tokens")),
        completion_tokens=_count(attributes.get("gen_ai.usage.output_tokens")),
        latency_ms=max((ended - began).total_seconds(), 0.0) * 1000 if ended else 0.0,
        end_user=str(attributes["user.id"])[:300] if attributes.get("user.id") else None,
    )


def _conversation(span: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[tuple[Message, ...], Any]:
    """Raises Unreadable: the exporter was not told to send the content of messages."""
    details = [attributes, *(_attributes(event) for event in _list(span, "events"))]
    for held in details:
        asked, given = unpacked(held.get("gen_ai.input.messages")), unpacked(held.get("gen_ai.output.messages"))
        if asked and given:
            system = unpacked(held.get("gen_ai.system_instructions"))
            opening = [{"role": "system", "content": system}] if system else []
            return question_of([*opening, *asked]), given
    numbered = _numbered(attributes)
    if numbered["prompt"] and numbered["completion"]:
        return question_of(numbered["prompt"]), numbered["completion"]
    events = [(event.get("name"), _attributes(event)) for event in _list(span, "events")]
    turns = [
        {"role": _EVENT_ROLES[name], "content": held.get("content")} for name, held in events if name in _EVENT_ROLES
    ]
    choices = [held.get("message", held.get("content")) for name, held in events if name == "gen_ai.choice"]
    if turns and choices:
        return question_of(turns), choices[0]
    raise Unreadable(
        "the span holds no messages; let the instrumentation send them "
        "(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true)"
    )


def _numbered(attributes: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, dict[int, dict[str, Any]]] = {"prompt": {}, "completion": {}}
    for name, value in attributes.items():
        if match := _NUMBERED.fullmatch(name):
            side, place, field = match.groups()
            found[side].setdefault(int(place), {"role": "user"})[field] = value
    return {side: [turns[place] for place in sorted(turns)] for side, turns in found.items()}


def _attributes(held: Mapping[str, Any]) -> dict[str, Any]:
    listed = (each for each in _list(held, "attributes") if isinstance(each.get("key"), str))
    return {each["key"]: _value(each.get("value")) for each in listed}


def _value(held: Any) -> Any:
    """OTLP's AnyValue as JSON writes it; integers come as text."""
    if not isinstance(held, Mapping) or len(held) != 1:
        return None
    ((kind, value),) = held.items()
    match kind:
        case "arrayValue":
            return [_value(each) for each in _list(value, "values")]
        case "kvlistValue":
            return {str(each.get("key")): _value(each.get("value")) for each in _list(value, "values")}
        case "intValue":
            return int(value) if str(value).lstrip("-").isdigit() else None
        case _:
            return value


def _list(held: Any, name: str) -> list[Mapping[str, Any]]:
    found = held.get(name) if isinstance(held, Mapping) else None
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 1 << 31 else 0
