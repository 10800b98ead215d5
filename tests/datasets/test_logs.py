"""Logs of others: every common export is read to questions, answers and their times."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from tests.datasets.reading import opened
from tuneloop.datasets.formats import Reading
from tuneloop.datasets.logs.logged import LoggedAnswer, LogSource, time_of
from tuneloop.datasets.logs.otlp import answers_of
from tuneloop.datasets.logs.read_log import LogReading
from tuneloop.datasets.row import Choice

AT = datetime(2026, 10, 1, 9, 30, tzinfo=UTC)
ASKED = [{"role": "system", "content": "Sort."}, {"role": "user", "content": "Where is it?"}]
NUMBERS = (1790847000, "1790847000000", 1.790847e18)
COMPLETION = {
    "id": "chatcmpl-abc",
    "object": "chat.completion",
    "created": int(AT.timestamp()),
    "model": "ft:gpt-4o-mini:acme",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "order", "tool_calls": None},
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "or", "logprob": -0.1}, {"token": "der", "logprob": -0.2}]},
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 2},
}
LITELLM = {
    "request_id": "r1",
    "call_type": "acompletion",
    "startTime": "2026-10-01T09:30:00Z",
    "endTime": "2026-10-01T09:30:01.500Z",
    "messages": ASKED,
    "response": COMPLETION,
    "prompt_tokens": 12,
    "completion_tokens": 2,
    "end_user": "u7",
}
LANGFUSE = {
    "id": "o1",
    "traceId": "t1",
    "type": "GENERATION",
    "startTime": "2026-10-01T09:30:00.000Z",
    "input": ASKED,
    "output": {"role": "assistant", "content": "order"},
    "usageDetails": {"input": 12, "output": 2},
    "latency": 1.5,
    "userId": "u7",
}


def read(
    content: bytes, choice: Choice | None = None, time_column: str | None = None
) -> tuple[list[Any], LogSource, int]:
    with Reading(opened(content)) as reading:
        rows = LogReading(reading, choice or Choice(), time_column=time_column)
        return list(rows), rows.source, rows.others


def one(row: dict[str, Any]) -> tuple[LoggedAnswer, LogSource]:
    found, source, _ = read(orjson.dumps(row))
    (answer,) = found
    assert isinstance(answer, LoggedAnswer), answer
    return answer, source


@pytest.mark.parametrize(
    ("row", "source"),
    [
        (COMPLETION | {"messages": ASKED}, LogSource.OPENAI),
        (COMPLETION | {"request": {"messages": ASKED}}, LogSource.OPENAI),
        (LITELLM, LogSource.LITELLM),
        (LANGFUSE, LogSource.LANGFUSE),
        (LANGFUSE | {"input": {"messages": ASKED}, "output": "order"}, LogSource.LANGFUSE),
        (LANGFUSE | {"input": orjson.dumps(ASKED).decode(), "output": '{"content": "order"}'}, LogSource.LANGFUSE),
        ({"messages": [*ASKED, {"role": "assistant", "content": "order"}], "at": AT.isoformat()}, LogSource.TABLE),
        ({"messages": ASKED, "answer": "order", "created_at": "2026-10-01 09:30:00"}, LogSource.TABLE),
    ],
)
def test_an_export_is_recognised(row: dict[str, Any], source: LogSource) -> None:
    answer, found = one(row)
    assert (found, answer.source) == (source, source)
    assert [(each.role, each.content) for each in answer.messages] == [("system", "Sort."), ("user", "Where is it?")]
    assert (answer.answer, answer.at) == ("order", AT)


def test_what_was_measured_is_taken_and_nothing_else() -> None:
    openai, _ = one(COMPLETION | {"messages": ASKED})
    assert openai.confidence == pytest.approx(0.7408, abs=1e-4)
    assert (openai.key, openai.prompt_tokens, openai.completion_tokens) == ("chatcmpl-abc", 12, 2)
    lite, _ = one(LITELLM)
    assert (lite.latency_ms, lite.end_user, lite.key) == (1500.0, "u7", "r1")
    fuse, _ = one(LANGFUSE)
    assert (fuse.confidence, fuse.latency_ms, fuse.prompt_tokens, fuse.end_user) == (None, 1500.0, 12, "u7")


@pytest.mark.parametrize(
    "row",
    [
        LANGFUSE | {"type": "SPAN"},
        LANGFUSE | {"level": "ERROR", "output": None},
        LITELLM | {"status": "failure"},
        LITELLM | {"call_type": "aembedding"},
        LANGFUSE | {"output": {"role": "assistant", "content": None, "tool_calls": [{}]}},
        {"messages": ASKED, "at": AT.isoformat()},
    ],
)
def test_what_is_no_answer_is_left_out_and_counted(row: dict[str, Any]) -> None:
    found, _, others = read(orjson.dumps(row))
    assert (found, others) == ([], 1)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (COMPLETION, "line 1: the question is missing; export the answers with the messages"),
        ({"messages": ASKED, "answer": "order"}, "line 1: the time of the answer is missing; add a column 'at'"),
        ({"messages": ASKED, "answer": "order", "at": "yesterday"}, "line 1: the time of the answer is missing"),
        ({"foo": "a", "bar": "b"}, "line 1: no column is known to hold the text; choose the columns"),
    ],
)
def test_what_is_missing_is_told_with_the_line(row: dict[str, Any], told: str) -> None:
    found, _, _ = read(orjson.dumps(row))
    assert str(found[0]).startswith(told)


def test_a_spreadsheet_of_answers_is_read_by_chosen_columns() -> None:
    content = b"Wann;Kundin;Klasse;Sicherheit\n01.10.2026;Wo?;order;x\n2026-10-01T11:30:00+02:00;Wo?;order;x\n"
    found, source, _ = read(content, Choice(text="Kundin", answer="Klasse"), "Wann")
    assert source is LogSource.TABLE
    assert str(found[0]).startswith("line 2: the time of the answer is missing")
    assert (found[1].at, found[1].answer) == (AT, "order")


@pytest.mark.parametrize(
    "written",
    [
        "2026-10-01T09:30:00Z",
        "2026-10-01 11:30:00+02:00",
        "2026-10-01 09:30:00",
        1790847000,
        "1790847000000",
        1.790847e18,
    ],
)
def test_a_time_is_read_however_it_is_written(written: object) -> None:
    assert time_of(written) == AT


@pytest.mark.parametrize("written", [None, "", "soon", 0, -5, True, "12", [], float("nan"), float("inf")])
def test_what_is_no_time_is_none(written: object) -> None:
    assert time_of(written) is None


def span(**attributes: Any) -> dict[str, Any]:
    listed = [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in attributes.items()
    ]
    nanoseconds = int(AT.timestamp() * 1e9)
    return {
        "traceId": "5b8e",
        "spanId": "051",
        "startTimeUnixNano": str(nanoseconds),
        "endTimeUnixNano": str(nanoseconds + 250_000_000),
        "attributes": listed,
    }


def posted(*spans: dict[str, Any]) -> list[Any]:
    return list(answers_of({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}))


def test_spans_are_read_by_the_conventions_for_generative_ai() -> None:
    asked = [{"role": "user", "parts": [{"type": "text", "content": "Where is it?"}]}]
    gave = [{"role": "assistant", "parts": [{"type": "text", "content": "order"}], "finish_reason": "stop"}]
    now = span(
        **{
            "gen_ai.operation.name": "chat",
            "gen_ai.system_instructions": '[{"type": "text", "content": "Sort."}]',
            "gen_ai.input.messages": orjson.dumps(asked).decode(),
            "gen_ai.output.messages": orjson.dumps(gave).decode(),
            "gen_ai.usage.input_tokens": 12,
        }
    )
    before = span(
        **{
            "llm.request.type": "chat",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Sort.",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "Where is it?",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "order",
        }
    )
    other, silent = span(**{"http.method": "GET"}), span(**{"gen_ai.operation.name": "chat"})
    first, second, missing = posted(now, before, other, silent)
    for answer in (first, second):
        assert [(each.role, each.content) for each in answer.messages] == [
            ("system", "Sort."),
            ("user", "Where is it?"),
        ]
        assert (answer.answer, answer.at, answer.latency_ms, answer.key) == ("order", AT, 250.0, "5b8e/051")
    assert first.prompt_tokens == 12
    assert str(missing).startswith("line 4: the span holds no messages; let the instrumentation send them")


@pytest.mark.parametrize("body", [{}, {"resourceSpans": "x"}, {"resourceSpans": [{"scopeSpans": [None, {}]}]}])
def test_a_request_of_another_shape_holds_no_answers(body: dict[str, Any]) -> None:
    assert list(answers_of(body)) == []
