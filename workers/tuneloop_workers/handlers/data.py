"""From snapshots to the trainer's files: which examples train, which watch, which are new."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from tuneloop.kit.errors import InvalidInput
from tuneloop.tables import Example, Prediction
from tuneloop_workers.training.spec import Group


@dataclass(frozen=True)
class Split:
    """`dev` has old and new examples of every category it can.

    `new` are those that the batches hold a fixed share of: what came since the parent, of the categories that the
    retrain is for if there are such. A random sample of traffic is mostly what the parent knows already.
    """

    train: list[Example]
    dev: list[Example]
    new: frozenset[UUID]


def split(
    examples: Sequence[Example], *, known: frozenset[UUID], target: frozenset[str] = frozenset(), dev_share: float
) -> Split:
    """By a hash of the content, within category and age: the same data is split alike in any installation.

    Raises:
        InvalidInput: fewer than ten examples.
    """
    if len(examples) < 10:
        raise InvalidInput(f"{len(examples)} training examples are too few; import at least ten, better 200")
    strata: dict[tuple[str, bool], list[Example]] = defaultdict(list)
    for example in examples:
        strata[example.category, example.id in known].append(example)
    train: list[Example] = []
    dev: list[Example] = []
    owed = 0.0
    for key in sorted(strata):
        members = sorted(strata[key], key=lambda example: example.content_hash)
        owed += len(members) * dev_share
        taken = min(int(owed), len(members) - 1)
        owed -= taken
        dev += members[:taken]
        train += members[taken:]
    new = [example for example in examples if example.id not in known]
    aimed = [example for example in new if example.category in target]
    return Split(train, dev, frozenset(example.id for example in aimed or new))


def write_traffic(path: Path, traffic: Sequence[Prediction], labels: Collection[str]) -> bool:
    """Messages with production's answers as the trainer reads them; no file, and False, if none is a label."""
    rows = [
        _row(prediction.id, prediction.messages, prediction.answer, Group.OLD)
        for prediction in traffic
        if prediction.answer in labels
    ]
    if rows:
        _write(path, rows)
    return bool(rows)


def write_examples(path: Path, examples: Sequence[Example], new: frozenset[UUID]) -> None:
    ordered = sorted(examples, key=lambda each: each.content_hash)
    groups = [Group.NEW if example.id in new else Group.OLD for example in ordered]
    _write(
        path,
        [
            _row(example.id, example.messages, example.expected, group, example.category or None)
            for example, group in zip(ordered, groups, strict=True)
        ],
    )


def _row(
    id_: UUID, messages: Sequence[dict[str, Any]], answer: str, group: Group, category: str | None = None
) -> dict[str, Any]:
    return {
        "id": str(id_),
        "messages": [*messages, {"role": "assistant", "content": answer}],
        "weight_group": group,
        "category": category,
    }


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
