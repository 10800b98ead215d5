"""Labelled messages drawn for retrains that are independent of each other."""

import json
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tuneloop_local.demo.scenario import DATA

NEW, ARRIVED, LABELLED = 3, 25, 36


class Item(NamedTuple):
    text: str
    label: str


@dataclass(frozen=True)
class Draw:
    """One retrain's data. `first` trained the parent; `truth` are all items that nothing else uses."""

    known: tuple[str, ...]
    new: tuple[str, ...]
    first: list[Item]
    arrived: list[Item]
    dev: list[Item]
    unlabelled: list[Item]
    golden: list[Item]
    queries: list[Item]
    truth: list[Item]


@dataclass(frozen=True)
class Sizes:
    """Items of a label. Small sets give less of everything."""

    first: int
    golden: int
    unlabelled: int
    queries: int
    truth: int

    @classmethod
    def of(cls, smallest: int) -> "Sizes":
        """For labels of at least `smallest` items."""
        first = min(21, smallest // 3)
        rest = smallest - first - ARRIVED // 2
        return cls(first, min(12, rest // 4), min(10, rest // 5), min(25, rest // 4), 40)


def read(folder: Path) -> dict[str, list[str]]:
    """Texts by label, each once."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    files = [DATA / "support.jsonl"] if folder == Path("demo") else [folder / "train.jsonl", folder / "test.jsonl"]
    for file in files:
        for line in file.read_text().splitlines():
            row = json.loads(line)
            found[row["label"]].setdefault(row["text"])
    return {label: list(texts) for label, texts in found.items() if len(texts) >= ARRIVED * 2}


def parents_labels(texts: Mapping[str, list[str]], seed: int) -> tuple[list[str], list[str]]:
    """At most 21 labels that a parent knows, and others of which each of its retrains gets three."""
    chance = random.Random(f"labels {seed}")
    labels = chance.sample(sorted(texts), len(texts))
    known = min(21, len(labels) - NEW)
    return sorted(labels[:known]), sorted(labels[known : known + 4 * NEW])


def draw(texts: Mapping[str, list[str]], seed: int, retrain: int) -> Draw:
    """The parent's own examples depend on `seed` alone, the rest on both."""
    known, others = parents_labels(texts, seed)
    sizes = Sizes.of(min(len(texts[label]) for label in known))
    chance = random.Random(f"items {seed} {retrain}")
    new = tuple(sorted(chance.sample(others, NEW)))
    parts: dict[str, list[Item]] = defaultdict(list)
    for label in (*known, *new):
        own = random.Random(f"first {seed} {label}")
        shuffled = own.sample(texts[label], len(texts[label]))
        if label in known:
            parts["first"] += [Item(text, label) for text in shuffled[: sizes.first]]
            shuffled = shuffled[sizes.first :]
        chance.shuffle(shuffled)
        taken = {"arrived": 0 if label in known else ARRIVED, "dev": 2, "labelled": 2 if label in known else 0}
        taken |= {"golden": sizes.golden if label in known else 2 * sizes.golden, "unlabelled": sizes.unlabelled}
        taken |= {"queries": sizes.queries, "truth": sizes.truth}
        for name, many in taken.items():
            parts[name] += [Item(text, label) for text in shuffled[:many]]
            shuffled = shuffled[many:]
    labelled = chance.sample(parts["labelled"], min(LABELLED, len(parts["labelled"])))
    queries = chance.sample(parts["queries"], len(parts["queries"]))
    return Draw(
        known=tuple(known),
        new=new,
        first=parts["first"],
        arrived=[*parts["arrived"], *labelled],
        dev=parts["dev"],
        unlabelled=parts["unlabelled"],
        golden=parts["golden"],
        queries=queries,
        truth=parts["truth"],
    )
