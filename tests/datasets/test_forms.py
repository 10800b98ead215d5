"""The forms that files of examples commonly have, recognised by name, and what is said of those that are not read."""

from typing import Any

import orjson
import pytest

from tests.datasets.reading import opened, problems, read, rows
from tuneloop.datasets.formats import Reading
from tuneloop.datasets.row import Choice, Encoding, ImportFormat, ParsedRow
from tuneloop.kit.errors import InvalidInput

TRACK = {"id": "c1", "type": "function", "function": {"name": "track", "arguments": "{}"}}


def chat(*turns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": list(turns), **more}


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def only(*objects: dict[str, Any]) -> list[tuple[list[tuple[str, str]], str]]:
    found = rows(b"".join(orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in objects))
    return [([(each.role, each.content) for each in row.messages], row.expected) for row in found]


LAMP = ("user", "Where is my lamp?")


@pytest.mark.parametrize(
    ("row", "messages", "answer"),
    [
        (chat(said(*LAMP), said("assistant", "order", weight=1)), [LAMP], "order"),
        (chat(said("developer", "Sort."), said(*LAMP, name="kim"), said("assistant", "order")),
         [("system", "Sort."), LAMP], "order"),
        (chat(said("user", [{"type": "text", "text": "Where is "}, {"type": "text", "text": "my lamp?"}]),
              said("assistant", [{"type": "text", "text": "order"}], refusal=None)), [LAMP], "order"),
        (chat(said(*LAMP), said("assistant", "Sorry", weight=0), said("user", "Money back"),
              said("assistant", "refund", weight=1)),
         [LAMP, ("assistant", "Sorry"), ("user", "Money back")], "refund"),
        (chat(said(*LAMP), said("assistant", "order"), said("user", "Thanks"), said("assistant", "Bye", weight=0)),
         [LAMP], "order"),
        (chat(said(*LAMP), said("assistant", "order"), tools=[], parallel_tool_calls=False, metadata={"a": "b"}),
         [LAMP], "order"),
        ({"id": "a1", "conversations": [{"from": "human", "value": LAMP[1]}, {"from": "gpt", "value": "order"}]},
         [LAMP], "order"),
        ({"system": "Sort.", "conversations": [{"from": "human", "value": LAMP[1]}, {"from": "gpt", "value": "order"}]},
         [("system", "Sort."), LAMP], "order"),
        ({"instruction": "Sort the message.", "input": LAMP[1], "output": "order"},
         [("system", "Sort the message."), LAMP], "order"),
        ({"instruction": LAMP[1], "input": "", "output": "order"}, [LAMP], "order"),
        ({"instruction": LAMP[1], "output": "order", "history": [["Hi", "Hello"]]},
         [("user", "Hi"), ("assistant", "Hello"), LAMP], "order"),
        ({"prompt": [said(*LAMP)], "completion": [said("assistant", "order")]}, [LAMP], "order"),
        ({"question": LAMP[1], "answer": "order"}, [LAMP], "order"),
        ({"idx": 7, "text": LAMP[1], "label": "order", "created_at": "2026-10-01"}, [LAMP], "order"),
        ({"text": LAMP[1], "label": ["order"]}, [LAMP], "order"),
        ({"text": LAMP[1], "label": 0}, [LAMP], "0"),
    ],
)  # fmt: skip
def test_a_common_form_is_read(row: dict[str, Any], messages: list[tuple[str, str]], answer: str) -> None:
    assert only(row) == [(messages, answer)]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (chat(said(*LAMP), said("assistant", None, tool_calls=[TRACK])), "the row uses tools, and this model answers"),
        (chat(said(*LAMP), said("assistant", "order"), tools=[{"type": "function"}]), "the row uses tools"),
        (chat(said("system", "Sort."), said("assistant", "order")), "the user's text is empty"),
        (chat(said(*LAMP), said("assistant", "order", weight=0)), "every answer has the weight 0, so there is nothing"),
        (chat(said(*LAMP), said("assistant", "order", weight=0.5)), "messages.1.weight: must be 0 or 1"),
        (chat(said("user", [{"type": "image_url", "image_url": {}}]), said("assistant", "a")),
         "messages.0.content: must be text; images, audio and files are not read"),
        (chat(said(*LAMP, images=["a.png"]), said("assistant", "a")), "messages.0.images: is not read; remove it"),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": "{}"}]},
         "the row uses tools"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "none of the known keys: this is preference pairs (DPO)"),
        ({"custom_id": "1", "method": "POST", "url": "/v1", "body": {}}, "none of the known keys: this is requests of"),
        ({"contents": [], "systemInstruction": {}}, "none of the known keys: this is Gemini's format"),
        ({"id": 1, "annotations": [], "data": {"text": "a"}}, "none of the known keys: this is an export of Label"),
        ({"id": "x", "choices": []}, "none of the known keys: this is answers given elsewhere; import them with"),
    ],
)  # fmt: skip
def test_another_form_is_named_with_what_to_do(row: dict[str, Any], told: str) -> None:
    assert problems(orjson.dumps(row))[0].startswith(f"line 1: {told}")


def test_a_list_of_objects_is_read_with_the_lines_of_its_objects() -> None:
    listed = b'[\n  {"text": "one",\n   "label": "a"},\n  {"text": "two\\n", "label": "b"}\n]\n'
    assert [(row.line, row.messages[0].content) for row in rows(listed, None)] == [(2, "one"), (4, "two\n")]
    assert [row.line for row in rows(listed.replace(b"[\n", b"\n").replace(b"\n]", b""), None)] == [2, 4]
    within = b'{"object": "list", "has_more": false, "data": ' + listed + b', "first_id": "a"}'
    assert len(rows(within, None)) == 2
    assert [row.expected for row in rows(b'[{"text": "a", "label": "b"}]', ImportFormat.JSONL)] == ["b"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'[{"text": "a", "label": "b"},\n {"text": }]', "line 2: not valid JSON, Expecting value; correct it"),
        (b'[{"text": "a", "label": "b"},\n', "line 2: the list is not closed; the file was cut off"),
        (b"[" + b"[" * 1_000_000, "line 1: not valid JSON, depth limit exceeded"),
        (b'[{"text": "\\ud83d", "label": "b"}]', "line 1: not valid JSON, "),
        (b'[{"text": "' + b"a" * (2 << 20) + b'", "label": "b"}]', "line 1: longer than 1 MiB"),
    ],
)
def test_a_broken_list_is_named_by_the_line(content: bytes, told: str) -> None:
    assert problems(content, ImportFormat.JSON)[0].startswith(told)


def test_lines_that_end_with_commas_are_refused_with_what_to_do() -> None:
    line = b'{"text": "a", "label": "b"},\n'
    told = "a comma follows the object; remove it, or enclose all rows in [ and ]"
    assert problems(line + line, None) == [f"line 1: {told}", f"line 2: {told}"]


GERMAN = '"Wo ist mein Paket; es fehlt seit Montag";order\r\n"Ich hätte gern mein Geld zurück";refund\r\n'
RUSSIAN = "text,label\nГде моя посылка,order\n"  # noqa: RUF001
TABS = 'text\tlabel\n"Ich hätte gern\tmein Geld zurück"\trefund\n'


@pytest.mark.parametrize(
    ("content", "source"),
    [
        (("text;label\r\n" + GERMAN).encode("utf-8-sig"), "CSV, divided by semicolons"),
        (("sep=;\r\ntext;label\r\n" + GERMAN).encode("utf-8-sig"), "CSV, divided by semicolons"),
        (("text;label\r\n" + GERMAN).encode("cp1252"), "CSV, divided by semicolons, written in cp1252"),
        (("text;label\r\n" + GERMAN).encode("utf-16"), "CSV, divided by semicolons, written in utf-16"),
        (("text;label\r\n" + GERMAN).encode("utf-16-le"), "CSV, divided by semicolons, written in utf-16"),
        (TABS.encode(), "CSV, divided by tabs"),
        (("sep=\t\n" + TABS).encode("utf-16"), "CSV, divided by tabs, written in utf-16"),
    ],
)
def test_csv_is_read_as_spreadsheets_write_it(content: bytes, source: str) -> None:
    with Reading(opened(content)) as reading:
        found = list(reading)
    assert reading.source == source
    assert isinstance(found[-1], ParsedRow)
    assert found[-1].messages[0].content.replace("\t", " ") == "Ich hätte gern mein Geld zurück"
    assert {row.expected for row in found if isinstance(row, ParsedRow)} >= {"refund"}


@pytest.mark.parametrize(
    "content",
    [
        "text,label\nZapłaciłem; gdzie jest moja paczka,order\n".encode("cp1250"),
        RUSSIAN.encode("cp1251"),
        "text,label\n荷物はどこですか,order\n".encode("cp932"),
        "text,label\nWo bleibt mein Stück für die Tür,order\n".encode("mac_roman"),
        "text,label\nGrüße schön,order\n".encode() + b"dr\xfcben,order\n",
    ],
)
def test_what_may_be_another_encoding_is_refused_and_never_garbled(content: bytes) -> None:
    assert "not valid UTF-8 at byte" in problems(content, ImportFormat.CSV)[0]


def test_a_named_encoding_is_read() -> None:
    with Reading(opened(RUSSIAN.encode("cp1251")), Choice(encoding=Encoding.CYRILLIC)) as reading:
        (row,) = reading
    assert isinstance(row, ParsedRow)
    assert row.messages[0].content == RUSSIAN.split("\n")[1].removesuffix(",order")


def test_quotation_marks_inside_a_cell_are_refused_with_the_line() -> None:
    (only,) = problems(b'text,label\n"He said "never" again",refund\nwhere is it,order\n', None)
    assert only.startswith("line 2: ',' expected after '\"'; write quotation marks inside a quoted cell twice")


def test_public_files_load() -> None:
    banking = b'text,category\nwhere is my debit card,order\n"still no card, help",order\n'
    assert [row.expected for row in rows(banking, ImportFormat.CSV)] == ["order", "order"]
    bitext = b'flags,instruction,category,intent,response\nB,"cancel order {{N}}",ORDER,cancel_order,"Sure, I can"\n'
    with pytest.raises(InvalidInput, match="line 2: the answer may be in 'response', 'intent', 'category'; choose"):
        read(bitext, ImportFormat.CSV)
    with Reading(opened(bitext), Choice(text="Instruction", answer="intent", category="category")) as reading:
        (row,) = reading
    assert isinstance(row, ParsedRow)
    assert (row.messages[0].content, row.expected, row.category) == ("cancel order {{N}}", "cancel_order", "ORDER")
    assert reading.not_read == ["flags", "response"]
    toy = chat(said("system", "Be brief."), said("user", "I lost my umbrella"), said("assistant", "refund"))
    assert only(toy) == [([("system", "Be brief."), ("user", "I lost my umbrella")], "refund")]


def test_labels_are_mapped_as_chosen() -> None:
    choice = Choice(labels={"0": "order", "Rückgabe": "refund"})
    content = '{"text": "a", "label": 0}\n{"text": "b", "label": "RU\u0308CKGABE"}\n'.encode()
    with Reading(opened(content), choice) as reading:
        assert [row.expected for row in reading if isinstance(row, ParsedRow)] == ["order", "refund"]


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with (
        Reading(opened(b"text,label\na,b\n"), Choice(text="body")) as reading,
        pytest.raises(InvalidInput, match="line 2: there is no column 'body'; there are 'text', 'label'"),
    ):
        list(reading)
