"""What a demo on somebody's own labelled messages is made of."""

import json
from pathlib import Path

import pytest

from tuneloop_local.demo.scenario import Drift, Scenario, from_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, many in (("train", 240), ("test", 40)):
        rows = [
            {"text": f"{name} message {place} about {label}", "label": label}
            for label in (f"kind {number}" for number in range(8))
            for place in range(many)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def made(folder: Path, drift: Drift) -> Scenario:
    return from_folder(folder, drift=drift, established=6, changing=2)


@pytest.mark.parametrize("drift", Drift)
def test_no_message_is_used_twice(folder: Path, drift: Drift) -> None:
    scenario = made(folder, drift)
    parts = (scenario.train, scenario.golden, scenario.stream, scenario.golden_late, scenario.late)
    texts = [item.text for part in parts for item in part]
    assert len(texts) == len(set(texts))


def test_what_is_outdated_is_never_what_replaces_it(folder: Path) -> None:
    scenario = made(folder, Drift.CHANGED_ANSWERS)
    replaced = {item.text for item in (*scenario.late, *scenario.golden_late)}
    assert replaced
    assert not replaced & scenario.stale
    moved = {item.answer for item in scenario.train if item.text in scenario.stale}
    assert len(moved) == 2
    assert not moved & {item.answer for item in (*scenario.late, *scenario.golden_late)}
