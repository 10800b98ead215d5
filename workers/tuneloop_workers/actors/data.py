"""From snapshots to the trainer's files: which examples train, which watch, which are new."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
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
        {
            "id": str(prediction.id),
            "messages": [*prediction.messages, {"role": "assistant", "content": prediction.answer}],
            "weight_group": Group.OLD,
            "category": None,
        }
        for prediction in traffic
        if prediction.answer in labels
    ]
    if rows:
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return bool(rows)


def write_examples(path: Path, examples: Sequence[Example], new: frozenset[UUID]) -> None:
    with path.open("wb") as file:
        for example in sorted(examples, key=lambda each: each.content_hash):
            messages = [*example.messages, {"role": "assistant", "content": example.expected}]
            group = Group.NEW if example.id in new else Group.OLD
            row = {
                "id": str(example.id),
                "messages": messages,
                "weight_group": group,
                "category": example.category or None,
            }
            file.write(orjson.dumps(row) + b"\n")
