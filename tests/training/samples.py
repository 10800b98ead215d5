"""Examples, contracts and specs for training runs on tiny models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from tuneloop.registry.contract import Contract, Task
from tuneloop_workers.training.spec import TrainSpec

LABELS = ("delivery", "refund", "account")
MESSAGES = (
    "where is my parcel",
    "money back please, the jacket is far too small for me and I have waited for two weeks now",
    "can't log in",
    "it never arrived",
    "you still owe me 20",
    "password wrong?!",
    "the box was left at a neighbour who is on holiday until the end of next month",
    "cancel and refund order 10293",
)
CONTRACT = Contract(task=Task.CLASSIFY, system_prompt="You sort messages to a shop by topic.", labels=LABELS)


def example(number: int, group: str = "old", **changes: Any) -> dict[str, Any]:
    label = LABELS[number % len(LABELS)]
    messages = [
        {"role": "user", "content": f"{MESSAGES[number % len(MESSAGES)]} ({number})"},
        {"role": "assistant", "content": label},
    ]
    return {"id": f"e{number}", "messages": messages, "weight_group": group, "category": label} | changes


def write_examples(path: Path, examples: Sequence[dict[str, Any]]) -> Path:
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in examples))
    return path


def spec(folder: Path, weights: Path, **changes: Any) -> TrainSpec:
    """A run of a few quick fp32 steps in `folder`, with examples of both groups."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [example(i, "new" if i % 4 == 3 else "old") for i in range(16)]
    fields: dict[str, Any] = {
        "base_weights": weights,
        "base_sha256": "0" * 64,
        "contract": CONTRACT,
        "examples": write_examples(folder / "examples.jsonl", rows),
        "dev": write_examples(folder / "dev.jsonl", [example(100, "old"), example(101, "new"), example(102, "old")]),
        "output": folder / "run",
        "rank": 4,
        "alpha": 8,
        "epochs": 2,
        "batch_size": 4,
        "peak_lr": 5e-3,
        "precision": "fp32",
        "device": "cpu",
        "threads": 1,
    }
    return TrainSpec(**(fields | changes))
