"""The demo's shop answers: as many per part as promised, no two alike, and each true under its facts page."""

import json
import re
from collections import Counter
from importlib.resources import files
from itertools import combinations
from typing import Literal, NamedTuple

import pytest

DATA = files("tuneloop_local.demo") / "data"
PART_SIZES = {"train": 130, "golden": 150, "stream": 140, "golden_changed": 52, "stream_changed": 93}
CHANGED_PARTS = frozenset({"golden_changed", "stream_changed"})
MOST_GOLDEN_ON_CHANGED_FACTS = 15
NEAR_DUPLICATE = 0.6

Kind = Literal["question", "answer"]


class Row(NamedTuple):
    question: str
    answer: str
    part: str
    fact: str


class Wording(NamedTuple):
    """What every answer about a fact must contain; None where the page doesn't have the fact yet."""

    before: str | None
    after: str


def _unchanged(wording: str) -> Wording:
    return Wording(wording, wording)


WORDINGS = {
    "founder": _unchanged("Ida Marlowe"),
    "shop_address": _unchanged("18 Mill Lane"),
    "sunday_hours": _unchanged("11 am to 4 pm"),
    "closed_days": _unchanged("25 December and 1 January"),
    "boot_fitting": _unchanged("Thursday"),
    "phone": _unchanged("555-0142"),
    "phone_hours": _unchanged("8 am to 5 pm"),
    "email": _unchanged("hello@acme.example"),
    "standard_time": _unchanged("3 to 5 working days"),
    "express_price": _unchanged("$12.50"),
    "canada_price": _unchanged("$19"),
    "collect_ready": _unchanged("2 hours"),
    "return_cost": _unchanged("$3.50"),
    "refund_time": _unchanged("6 working days"),
    "cancel_window": _unchanged("90 minutes"),
    "student_discount": _unchanged("10%"),
    "gift_card_validity": _unchanged("36 months"),
    "tent_warranty": _unchanged("3-year warranty"),
    "shop_manager": Wording("Priya Nolan", "Tomas Weller"),
    "shop_hours": Wording("9 am to 6 pm", "10 am to 8 pm"),
    "standard_price": Wording("$4.95", "$5.95"),
    "free_delivery": Wording("$60", "$75"),
    "express_cutoff": Wording("2 pm", "1 pm"),
    "carrier": Wording("Parcelwren", "Swiftly"),
    "return_window": Wording("45 days", "30 days"),
    "summer_sale": Wording("12 June to 28 June", "3 July to 19 July"),
    "repair_price": Wording(None, "$18"),
    "tent_rental": Wording(None, "$35"),
    "trail_points": Wording(None, "$5"),
}


def _read(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


ROWS = [Row(**json.loads(line)) for line in _read("answers.jsonl").splitlines()]
BEFORE, AFTER = _read("facts_before.md"), _read("facts_after.md")
CHANGED_FACTS = frozenset(json.loads(_read("changed_facts.json")))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = _words(text)
    return frozenset(tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2)))


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.-]\d+)*", text))


def _texts(kind: Kind) -> list[str]:
    return [row.question if kind == "question" else row.answer for row in ROWS]


def test_every_part_has_its_promised_size() -> None:
    assert Counter(row.part for row in ROWS) == PART_SIZES


def test_train_covers_every_fact_of_the_first_page_several_times() -> None:
    counts = Counter(row.fact for row in ROWS if row.part == "train")
    assert {fact for fact, wording in WORDINGS.items() if wording.before} == set(counts)
    assert min(counts.values()) >= 3


def test_changed_facts_file_names_exactly_the_facts_whose_answer_differs() -> None:
    assert {fact for fact, wording in WORDINGS.items() if wording.before != wording.after} == CHANGED_FACTS


def test_changed_parts_ask_about_every_changed_fact_and_no_other() -> None:
    for part in CHANGED_PARTS:
        assert {row.fact for row in ROWS if row.part == part} == CHANGED_FACTS


def test_golden_asks_seldom_about_facts_that_change() -> None:
    asked = sum(row.part == "golden" and row.fact in CHANGED_FACTS for row in ROWS)
    assert asked <= MOST_GOLDEN_ON_CHANGED_FACTS


@pytest.mark.parametrize("kind", ["question", "answer"])
def test_no_text_occurs_twice_after_normalising(kind: Kind) -> None:
    counts = Counter(" ".join(_words(text)) for text in _texts(kind))
    assert [text for text, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("kind", ["question", "answer"])
def test_no_two_texts_are_near_duplicates(kind: Kind) -> None:
    shingled = [(text, _shingles(text)) for text in _texts(kind)]
    alike = [(a, b) for (a, x), (b, y) in combinations(shingled, 2) if len(x & y) >= NEAR_DUPLICATE * len(x | y)]
    assert alike == []


def test_answers_are_short() -> None:
    assert [row.answer for row in ROWS if not 5 <= len(row.answer.split()) <= 20] == []


def test_pages_state_the_wording_of_every_fact() -> None:
    for wording in WORDINGS.values():
        assert wording.before is None or wording.before in BEFORE
        assert wording.after in AFTER


@pytest.mark.parametrize("fact", sorted(CHANGED_FACTS))
def test_a_changed_fact_is_stated_by_one_page_only(fact: str) -> None:
    before, after = WORDINGS[fact]
    assert before is None or before not in AFTER
    # "$5" of the points must not be found inside "$5.95"
    assert not re.search(re.escape(after) + r"(?!\.?\d)", BEFORE)


def test_every_answer_states_the_fact_of_its_page() -> None:
    for row in ROWS:
        wording = WORDINGS[row.fact]
        stated = wording.after if row.part in CHANGED_PARTS else wording.before
        assert stated is not None, f"the first page has no {row.fact}"
        assert stated in row.answer, row


def test_every_number_in_an_answer_occurs_in_its_page() -> None:
    for row in ROWS:
        page = AFTER if row.part in CHANGED_PARTS else BEFORE
        assert _numbers(row.answer) <= _numbers(page), row


def test_answers_meant_for_the_second_page_repeat_nothing_outdated() -> None:
    outdated = [old for fact in CHANGED_FACTS if (old := WORDINGS[fact].before)]
    for row in ROWS:
        if row.part in CHANGED_PARTS or row.fact not in CHANGED_FACTS:
            assert _numbers(row.answer) <= _numbers(AFTER), row
            assert not any(old in row.answer for old in outdated), row
