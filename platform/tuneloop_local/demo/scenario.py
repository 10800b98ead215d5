"""What a demo run is about: a model, its data, and how the traffic changes half-way."""

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

from tuneloop.kit.errors import InvalidInput

DATA = files("tuneloop_local.demo") / "data"
WEEKS_COLLECTED = 3
"""Weeks after the change before a retrain has enough examples."""


@dataclass(frozen=True)
class CustomerMessage:
    """A customer's message, the right answer and its category."""

    text: str
    answer: str
    category: str

    def row(self) -> dict[str, Any]:
        messages = [{"role": "user", "content": self.text}, {"role": "assistant", "content": self.answer}]
        return {"messages": messages, "category": self.category}


@dataclass(frozen=True)
class WeeklyTraffic:
    """Requests in a week before and after the change, share of new kinds among the latter, answers sampled per week.

    As many answers again are labelled because they teach. `weeks` counts those before the change; `meanwhile` are
    requests while a retrain waits for its approval.
    """

    before: int
    after: int
    late_share: float
    labels: int
    weeks: int = 3
    meanwhile: int = 0


@dataclass(frozen=True)
class Scenario:
    """`stream` is traffic like the training data; `late` is the traffic that the model was not trained for.

    `contract_late` is the contract the operator writes once the change is known; `stale` are examples whose answer is
    no longer true then. Policy and recipe are the product's own: a scenario has neither.
    """

    model: str
    title: str
    contract: dict[str, Any]
    contract_late: dict[str, Any]
    train: list[CustomerMessage]
    golden: list[CustomerMessage]
    stream: list[CustomerMessage]
    golden_late: list[CustomerMessage]
    late: list[CustomerMessage]
    stale: frozenset[str]
    traffic: WeeklyTraffic


def support() -> Scenario:
    """Sort customer messages; two new kinds of request appear and some wording shifts."""
    rows = _rows((DATA / "support.jsonl").read_text())
    parts = _by_part(rows, lambda row: CustomerMessage(row["text"], row["label"], row["label"]))
    labels = sorted({item.answer for item in parts["train"]})
    late_labels = sorted({item.answer for item in parts["stream_late"]} - set(labels))
    contract = {
        "task": "classify",
        "system_prompt": "Sort the message of a customer of Acme Outfitters into one category.",
        "labels": labels,
    }
    return Scenario(
        model="support",
        title="customer messages of an outdoor shop, sorted into categories",
        contract=contract,
        contract_late={**contract, "labels": labels + late_labels},
        train=parts["train"],
        golden=parts["golden"],
        stream=parts["stream"],
        golden_late=parts["golden_late"],
        late=parts["stream_late"],
        stale=frozenset(),
        traffic=WeeklyTraffic(before=72, after=72, late_share=0.5, labels=12, meanwhile=160),
    )


TOPICS = {
    "delivery": {"standard_price", "standard_time", "free_delivery", "express_price", "express_cutoff", "carrier"}
    | {"canada_price", "collect_ready"},
    "returns": {"return_window", "return_cost", "refund_time", "cancel_window"},
    "offers": {"student_discount", "gift_card_validity", "tent_warranty", "summer_sale"},
}
CHANGED = "changed facts"


def answers() -> Scenario:
    """Short replies grounded in a page of shop facts; then the facts change."""
    rows = _rows((DATA / "answers.jsonl").read_text())
    changed = set(json.loads((DATA / "changed_facts.json").read_text()))

    def item(row: dict[str, str]) -> CustomerMessage:
        return CustomerMessage(
            row["question"], row["answer"], CHANGED if row["part"].endswith("_changed") else topic(row["fact"])
        )

    parts = _by_part(rows, item)
    contract = {
        "task": "generate",
        "system_prompt": "Answer the customer of Acme Outfitters in one short sentence, from these facts only.",
        "facts": (DATA / "facts_before.md").read_text(),
        "decoding": {"max_tokens": 48},
    }
    return Scenario(
        model="answers",
        title="short replies grounded in a page of shop facts",
        contract=contract,
        contract_late={**contract, "facts": (DATA / "facts_after.md").read_text()},
        train=parts["train"],
        golden=parts["golden"],
        stream=parts["stream"],
        golden_late=parts["golden_changed"],
        late=parts["stream_changed"],
        stale=frozenset(
            row["question"] for row in rows if not row["part"].endswith("_changed") and row["fact"] in changed
        ),
        traffic=WeeklyTraffic(before=24, after=22, late_share=0.65, labels=10, meanwhile=50),
    )


def topic(fact: str) -> str:
    return next((name for name, facts in TOPICS.items() if fact in facts), "shop")


def built_in(task: str) -> Scenario:
    """The demo's own data: `classify` or `generate`."""
    return support() if task == "classify" else answers()


class Drift(StrEnum):
    """What changes half-way: a kind of message that nobody has seen, or the right answer to kinds that are known."""

    NEW_KINDS = "new-kinds"
    CHANGED_ANSWERS = "changed-answers"


def from_folder(
    folder: Path,
    *,
    drift: Drift = Drift.NEW_KINDS,
    weeks: int = 3,
    established: int = 21,
    changing: int = 3,
    seed: int = 0,
) -> Scenario:
    """The same story on labelled messages: `train.jsonl` and `test.jsonl` with {"text", "label"} a line.

    With `CHANGED_ANSWERS`, messages of `changing` labels are from then on to be answered with another known label.

    Raises:
        InvalidInput: a file is missing or has too few labels.
    """
    try:
        train, test = (_rows((folder / name).read_text()) for name in ("train.jsonl", "test.jsonl"))
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput(
            f"{folder} needs train.jsonl and test.jsonl with text and label in every line: {error}"
        ) from error
    labels = sorted({row["label"] for row in train} & {row["label"] for row in test})
    if len(labels) < established + changing:
        raise InvalidInput(f"{folder} has {len(labels)} labels, the demo needs {established + changing}")
    shuffled = random.Random(seed)  # noqa: S311  (a reproducible choice of examples)
    chosen = shuffled.sample(labels, established + changing)
    old_labels, new_labels = sorted(chosen[:established]), sorted(chosen[established:])
    pool, exam = _by_label(train, shuffled), _by_label(test, shuffled)
    contract = {
        "task": "classify",
        "system_prompt": "Sort the customer's message into one category.",
        "labels": old_labels,
    }
    usual = (48 * weeks + 400) // established + 1
    scenario = Scenario(
        model="support",
        title=f"messages from {folder.name}",
        contract=contract,
        contract_late={**contract, "labels": old_labels + new_labels},
        train=_take(pool, old_labels, 0, 21),
        golden=_take(exam, old_labels, 0, 15),
        stream=_take(pool, old_labels, 21, 21 + usual),
        golden_late=_take(exam, new_labels, 0, 25),
        late=_take(pool, new_labels, 0, 100),
        stale=frozenset(),
        traffic=WeeklyTraffic(before=48, after=48, late_share=0.6, labels=24, weeks=weeks, meanwhile=160),
    )
    if drift is Drift.NEW_KINDS:
        return scenario
    moved = dict(zip(old_labels[:changing], old_labels[changing:], strict=False))
    return replace(
        scenario,
        title=f"{scenario.title}; the right answer to {', '.join(moved)} changes",
        contract_late=contract,
        golden_late=_answered_anew(_take(exam, moved, 15, 40), moved),
        late=_answered_anew(_take(pool, moved, 21 + usual, 21 + usual + 100), moved),
        stale=frozenset(item.text for item in _take(pool, moved, 0, 21 + usual) + _take(exam, moved, 0, 15)),
    )


def _answered_anew(items: Iterable[CustomerMessage], moved: dict[str, str]) -> list[CustomerMessage]:
    return [CustomerMessage(item.text, moved[item.answer], moved[item.answer]) for item in items]


def _rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _by_part(rows: Iterable[dict[str, Any]], make: Any) -> dict[str, list[CustomerMessage]]:
    parts: dict[str, list[CustomerMessage]] = defaultdict(list)
    for row in rows:
        parts[row["part"]].append(make(row))
    return parts


def _by_label(rows: Iterable[dict[str, Any]], shuffled: random.Random) -> dict[str, list[CustomerMessage]]:
    found: dict[str, list[CustomerMessage]] = defaultdict(list)
    for row in rows:
        found[row["label"]].append(CustomerMessage(row["text"], row["label"], row["label"]))
    for items in found.values():
        shuffled.shuffle(items)
    return found


def _take(
    pool: dict[str, list[CustomerMessage]], labels: Iterable[str], first: int, last: int | None
) -> list[CustomerMessage]:
    return [item for label in labels for item in pool[label][first:last]]
