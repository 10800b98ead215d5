"""The parity check passes for a faithful export, however sharp the model, and fails, with reasons, for any other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from transformers import AutoTokenizer

from tests.export.adapters import random_adapter
from tests.export.conftest import ARCHITECTURES
from tests.support.chat_templates import GEMMA
from tests.support.tiny_models import ArchitectureName, build_tiny_pair
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.jobs.runtime import Cancelled
from tuneloop.registry.contract import Contract, Decoding, Quantisation, Task, Template
from tuneloop.registry.templates import Message
from tuneloop_workers.bases.bake import bake
from tuneloop_workers.bases.chat import chat_from
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.export.adapter import AdapterTensors, Factors, write_folder
from tuneloop_workers.export.decisions import compare
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.parity import AdapterPair, Bases, parity
from tuneloop_workers.export.quantise import dequantised, quantise
from tuneloop_workers.export.reading import Prompt
from tuneloop_workers.export.validate import read_adapter
from tuneloop_workers.serving.answer import EngineAnswer

PROMPTS = [
    Prompt(f"example {number}", [Message(role="user", content=text)])
    for number, text in enumerate(
        ("where is my parcel?", "money back, please! " * 8, "ça marche pas 👎", "<|im_end|> password", "a")
    )
]
LABELS = tuple(f"{topic} {number}" for topic in ("delivery", "refund", "account") for number in range(62))
SORTING = Contract(task=Task.CLASSIFY, system_prompt="You sort messages to a shop by topic.", labels=LABELS)


class Quantised(NamedTuple):
    """A tiny base that serves quantised; its weights are baked from what serves."""

    bases: Bases
    folder: Path

    def pair(self, name: str, *, spread: float, seed: int = 1) -> AdapterPair:
        folder = self.folder / name
        if not folder.exists():
            random_adapter(self.bases.weights, folder, seed=seed, spread=spread)
            export_lora(folder, self.bases.gguf, folder / "lora.gguf")
        return AdapterPair(folder, folder / "lora.gguf")


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ArchitectureName], Quantised]:
    built: dict[str, Quantised] = {}

    def build(architecture: ArchitectureName, seed: int = 0) -> Quantised:
        key = f"{architecture}-{seed}"
        if key not in built:
            folder = tmp_path_factory.mktemp(key)
            gguf = folder / "q8.gguf"
            quantise(build_tiny_pair(folder / "made", architecture, seed=seed).gguf, gguf, Quantisation.Q8_0)
            weights = bake(gguf, folder / "weights").weights
            built[key] = Quantised(Bases(weights, gguf, dequantised(gguf, folder / "f16.gguf")), folder)
        return built[key]

    return build


Build = Callable[..., Quantised]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("spread", [0.01, 0.1, 1.0], ids=["dull", "ordinary", "sharp"])
def test_a_faithful_export_passes_however_sharp(
    quantised: Build, architecture: ArchitectureName, spread: float
) -> None:
    base = quantised(architecture)

    found = parity(base.bases, [base.pair(f"spread-{spread}", spread=spread)], SORTING, PROMPTS)

    assert (found.n, found.decisions, found.sure_same) == (5, 5, found.sure)
    assert found.export_error < 0.8 * found.limit
    assert found.strength == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("template", Template)
def test_a_blend_that_writes_text_passes_in_every_template(quantised: Build, template: Template) -> None:
    base = quantised("gemma3")
    blend = [base.pair("a", spread=0.1)._replace(scale=0.4), base.pair("b", spread=0.1, seed=2)._replace(scale=0.6)]
    writing = Contract(
        task=Task.GENERATE,
        system_prompt="You answer.",
        template=template,
        decoding=Decoding(max_tokens=4),
        chat=chat_from(GEMMA, AutoTokenizer.from_pretrained(base.bases.weights)) if template is Template.BASE else None,
    )

    found = parity(base.bases, blend, writing, PROMPTS)

    assert found.decisions > found.n
    assert found.sure_same == found.sure


def _times(factor: float) -> Callable[[AdapterTensors], AdapterTensors]:
    return lambda adapter: replace(adapter, alpha=adapter.alpha * factor)


def _without(part: str) -> Callable[[AdapterTensors], AdapterTensors]:
    def change(adapter: AdapterTensors) -> AdapterTensors:
        return replace(adapter, factors={name: both for name, both in adapter.factors.items() if part not in name})

    return change


def _without_last_rank(adapter: AdapterTensors) -> AdapterTensors:
    def cut(both: Factors) -> Factors:
        return Factors(np.concatenate([both.a[:-1], np.zeros_like(both.a[-1:])]), both.b)

    return replace(adapter, factors={name: cut(both) for name, both in adapter.factors.items()})


def _exchanged(adapter: AdapterTensors) -> AdapterTensors:
    """One layer's first factor belongs to another layer."""
    one, other = (adapter.factors[f"model.layers.{layer}.self_attn.q_proj"] for layer in (0, 1))
    mixed = {"model.layers.0.self_attn.q_proj": Factors(other.a, one.b)}
    return replace(adapter, factors={**adapter.factors, **mixed})


FAULTS = {
    "half the scale": _times(0.5),
    "twice the scale": _times(2.0),
    "one pair of tensors missing": _without("layers.1.mlp.up_proj"),
    "last rank cut off": _without_last_rank,
    "factors of a layer exchanged": _exchanged,
}


@pytest.mark.parametrize("spread", [0.1, 1.0], ids=["ordinary", "sharp"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("architecture", ["gemma3", "llama"])
def test_a_broken_export_fails(
    quantised: Build, architecture: ArchitectureName, fault: str, spread: float, tmp_path: Path
) -> None:
    base = quantised(architecture)
    pair = base.pair(f"spread-{spread}", spread=spread)
    broken = FAULTS[fault](read_adapter(pair.folder, GgufFile.open(base.bases.gguf)))
    write_folder(broken, tmp_path / "broken")
    export_lora(tmp_path / "broken", base.bases.gguf, tmp_path / "broken.gguf")

    with pytest.raises(Conflict, match="does not act like the trained one") as raised:
        parity(base.bases, [pair._replace(gguf=tmp_path / "broken.gguf")], SORTING, PROMPTS)

    assert raised.value.details["export_error"] > raised.value.details["limit"]
    assert all(line.startswith("example ") for line in raised.value.details["worst"])


def test_a_wrong_scale_is_named_by_the_strength_that_is_left(quantised: Build) -> None:
    base = quantised("llama")
    pair = base.pair("spread-0.01", spread=0.01)
    halved = _times(0.5)(read_adapter(pair.folder, GgufFile.open(base.bases.gguf)))
    write_folder(halved, base.folder / "halved")
    export_lora(base.folder / "halved", base.bases.gguf, base.folder / "halved.gguf")

    with pytest.raises(Conflict, match=r"it has (49|50|51)\.\d% of the trained strength"):
        parity(base.bases, [pair._replace(gguf=base.folder / "halved.gguf")], SORTING, PROMPTS)


def test_an_adapter_of_another_base_fails(quantised: Build) -> None:
    base, other = quantised("llama"), quantised("llama", seed=1)
    pair = base.pair("spread-0.1", spread=0.1)
    with pytest.raises(Conflict, match="does not act like the trained one"):
        parity(base.bases, [pair._replace(gguf=other.pair("mine", spread=0.1, seed=5).gguf)], SORTING, PROMPTS)


def test_weights_of_another_base_fail_whatever_the_adapter(quantised: Build) -> None:
    base, other = quantised("llama"), quantised("llama", seed=1)
    mixed = base.bases._replace(weights=other.bases.weights)
    with pytest.raises(Conflict, match="not the same model: without any adapter"):
        parity(mixed, [base.pair("spread-0.1", spread=0.1)], SORTING, PROMPTS)


@pytest.mark.parametrize(
    ("trained_for", "what"),
    [
        (SORTING.model_copy(update={"template": Template.CHATML}), "token"),
        (SORTING.model_copy(update={"system_prompt": "You sort messages by mood."}), "token"),
        (SORTING.model_copy(update={"labels": (*LABELS[:-1], "mood")}), "label 'mood': token 1 is"),
    ],
    ids=["template", "prompt", "labels"],
)
def test_another_contract_than_the_trained_one_fails(quantised: Build, trained_for: Contract, what: str) -> None:
    base = quantised("llama")
    pair = base.pair("spread-0.1", spread=0.1)
    with pytest.raises(Conflict, match="other tokens in training than in serving") as raised:
        parity(base.bases, [pair], SORTING, PROMPTS, trained_for=trained_for)
    assert what in raised.value.message


def _label(text: str, probability: float) -> EngineAnswer:
    others = {"refund": probability, "order": 1 - probability} if text == "refund" else {text: probability}
    return EngineAnswer(text, probability, 0.0, others, (), "stop", 1, 1, 0.0, 0.0)


def test_near_ties_may_fall_either_way_but_what_the_model_is_sure_of_may_not() -> None:
    prompts = [Prompt(f"example {number}", []) for number in range(4)]
    ties = [_label("refund", 0.6)] * 4
    found = compare(prompts, ties, [_label("order", 0.5)] * 4)
    assert (found.decisions, found.same, found.sure) == (4, 0, 0)
    sure = [_label("refund", 0.95)] * 4
    assert compare(prompts, sure, [*sure[:3], _label("order", 0.5)]).sure_same == 3
    with pytest.raises(Conflict, match=r"changes 2 of 4 .*'refund' \(95%\) became 'order' \(50%\)"):
        compare(prompts, sure, [*sure[:2], _label("order", 0.5), _label("order", 0.5)])


def test_the_check_can_be_stopped_on_either_side_and_tells_how_far_it_is(quantised: Build) -> None:
    base = quantised("llama")
    pair = base.pair("spread-0.1", spread=0.1)
    seen: list[int] = []
    parity(base.bases, [pair], SORTING, PROMPTS, progress=lambda done, wanted: seen.append(done * 100 // wanted))
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert len(set(seen)) > 10

    for last in range(0, len(seen), len(seen) // 5):
        calls = 0

        def stop(done: int, wanted: int, last: int = last) -> None:
            nonlocal calls
            calls += 1
            if calls > last:
                raise Cancelled

        with pytest.raises(Cancelled):
            parity(base.bases, [pair], SORTING, PROMPTS, progress=stop)
        assert calls == last + 1


def test_long_prompts_are_left_out_when_there_are_shorter_ones(
    quantised: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuneloop_workers.export.parity.MOST_TOKENS", 60)
    base = quantised("llama")
    found = parity(base.bases, [base.pair("spread-0.1", spread=0.1)], SORTING, PROMPTS)
    assert 2 <= found.n < len(PROMPTS)


def test_without_conversations_there_is_no_verdict(quantised: Build) -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        parity(quantised("llama").bases, [], SORTING, [])
