"""The demo's support messages: counts per label and part, label timing, no duplicates or near-duplicates."""

import re
from collections import Counter
from enum import StrEnum
from functools import cache
from importlib.resources import files
from itertools import combinations

import pytest
from pydantic import BaseModel, ConfigDict

NEAR_DUPLICATE_JACCARD = 0.6
ESTABLISHED = (
    "order_status",
    "return_request",
    "refund_status",
    "exchange_size",
    "damaged_item",
    "payment_problem",
    "change_order",
    "promo_code",
    "product_question",
    "account_login",
)
SHIFTED = ("order_status", "payment_problem", "promo_code")
LATER = ("repair_service", "rental_booking")


class Part(StrEnum):
    TRAIN = "train"
    GOLDEN = "golden"
    STREAM = "stream"
    GOLDEN_LATE = "golden_late"
    STREAM_LATE = "stream_late"


class SupportMessage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    label: str
    part: Part


@cache
def support_messages() -> tuple[SupportMessage, ...]:
    lines = files("tuneloop_local.demo").joinpath("data", "support.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(SupportMessage.model_validate_json(line) for line in lines)


@cache
def counts() -> Counter[tuple[str, Part]]:
    return Counter((message.label, message.part) for message in support_messages())


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))


def word_trigrams(text: str) -> frozenset[tuple[str, ...]]:
    tokens = words(text)
    return frozenset(tokens[start : start + 3] for start in range(len(tokens) - 2))


def test_only_known_labels_occur() -> None:
    assert {message.label for message in support_messages()} == {*ESTABLISHED, *LATER}


@pytest.mark.parametrize("label", ESTABLISHED)
def test_established_label_has_26_train_24_golden_and_at_least_46_stream_messages(label: str) -> None:
    assert counts()[label, Part.TRAIN] == 26
    assert counts()[label, Part.GOLDEN] == 24
    assert counts()[label, Part.STREAM] >= 46


@pytest.mark.parametrize("label", ESTABLISHED)
def test_only_the_shifted_labels_have_late_wording(label: str) -> None:
    golden_late, stream_late = (8, 20) if label in SHIFTED else (0, 0)
    assert counts()[label, Part.GOLDEN_LATE] == golden_late
    assert counts()[label, Part.STREAM_LATE] == stream_late


@pytest.mark.parametrize("label", LATER)
def test_later_label_has_28_golden_and_70_stream_messages_and_none_early(label: str) -> None:
    by_part = {part: counts()[label, part] for part in Part}
    assert by_part == {
        Part.TRAIN: 0,
        Part.GOLDEN: 0,
        Part.STREAM: 0,
        Part.GOLDEN_LATE: 28,
        Part.STREAM_LATE: 70,
    }


def test_messages_have_3_to_45_words() -> None:
    outside = [message.text for message in support_messages() if not 3 <= len(message.text.split()) <= 45]
    assert outside == []


def test_no_message_repeats_another_after_normalising() -> None:
    occurrences = Counter(words(message.text) for message in support_messages())
    assert [key for key, times in occurrences.items() if times > 1] == []


def test_no_message_nearly_repeats_another() -> None:
    shingled = [(message.text, word_trigrams(message.text)) for message in support_messages()]
    near = [
        (first, second)
        for (first, left), (second, right) in combinations(shingled, 2)
        if not left.isdisjoint(right) and len(left & right) / len(left | right) >= NEAR_DUPLICATE_JACCARD
    ]
    assert near == []
