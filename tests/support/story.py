"""The demo's story in small: three kinds of message, a fourth that comes later, on a tiny base."""

from pathlib import Path

from tests.support.running import LABELS, items
from tests.support.tiny_models import build_tiny_pair
from tuneloop_local.demo.office import Base
from tuneloop_local.demo.scenario import Scenario, WeeklyTraffic

CONTRACT = {"task": "classify", "system_prompt": "Sort the message.", "labels": list(LABELS)}
STORY = Scenario(
    model="support",
    title="three kinds of message, and a fourth",
    contract=CONTRACT,
    contract_late={**CONTRACT, "labels": [*LABELS, "repair"]},
    train=items(LABELS, range(30)),
    golden=items(LABELS, range(30, 60)),
    stream=items(LABELS, range(60, 160)),
    golden_late=items(("repair",), range(30)),
    late=items(("repair",), range(30, 250)),
    stale=frozenset(),
    traffic=WeeklyTraffic(before=40, after=40, late_share=0.5, labels=10, meanwhile=40),
)


def tiny_base(folder: Path) -> Base:
    """Built below the folder, for `open_office`."""
    pair = build_tiny_pair(folder / "pair", "llama")
    source = folder / "source"
    source.mkdir()
    (source / "tiny.gguf").symlink_to(pair.gguf)
    (source / "weights").symlink_to(pair.weights)
    return Base("tiny", f"folder:{source}")
