"""The parity check passes for a faithful export and fails, with figures, for any other."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.export.conftest import ARCHITECTURES, Tuned
from tests.support.tiny_models import ArchitectureName
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.registry.contract import Contract, Task, Template
from tuneloop.registry.templates import Message
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.parity import AdapterPair, Parity, Tolerance, check, parity

TunedModels = Callable[[ArchitectureName], Tuned]
CONVERSATIONS = [
    [Message(role="user", content=text)]
    for text in ("where is my parcel?", "money back, please! " * 8, "ça marche pas 👎", "<|im_end|> password", "a")
]


def contract(template: Template = Template.PLAIN) -> Contract:
    prompt = "You sort messages to a shop by topic: delivery, refund or account."
    return Contract(task=Task.CLASSIFY, system_prompt=prompt, template=template, labels=("delivery", "refund"))


@pytest.mark.parametrize("template", Template)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_faithful_export_passes(
    tuned: TunedModels, architecture: ArchitectureName, template: Template, tmp_path: Path
) -> None:
    base, first, second = tuned(architecture)
    pairs = [AdapterPair(first, tmp_path / "1.gguf", 0.4), AdapterPair(second, tmp_path / "2.gguf", 0.6)]
    for pair in pairs:
        export_lora(pair.folder, base.gguf, pair.gguf)

    result = parity(base.weights, pairs, base.gguf, contract(template), CONVERSATIONS)

    check(result, Tolerance(clear_same_share=0.8, mean_abs_logprob_difference=0.02, max_abs_logprob_difference=0.1))
    assert (result.n, result.token_mismatches) == (len(CONVERSATIONS), 0)


def test_another_adapter_than_the_trained_one_fails(tuned: TunedModels, tmp_path: Path) -> None:
    base, first, second = tuned("llama")
    export_lora(second, base.gguf, tmp_path / "wrong.gguf")

    result = parity(base.weights, [AdapterPair(first, tmp_path / "wrong.gguf")], base.gguf, contract(), CONVERSATIONS)

    with pytest.raises(Conflict, match=r"same answer on \d of \d clear prompts"):
        check(result, Tolerance())


def test_near_ties_may_fall_either_way_but_clear_answers_may_not() -> None:
    check(Parity(24, 15, 14, 14, 0.07, 0.4, 0), Tolerance())
    with pytest.raises(Conflict, match="same answer on 11 of 14 clear prompts"):
        check(Parity(24, 20, 14, 11, 0.07, 0.4, 0), Tolerance())


def test_one_prompt_that_reads_differently_fails() -> None:
    with pytest.raises(Conflict, match="1 prompts tokenised differently"):
        check(Parity(24, 24, 20, 20, 0.0, 0.0, 1), Tolerance())


def test_without_conversations_there_is_no_verdict(tuned: TunedModels) -> None:
    base = tuned("llama").base
    with pytest.raises(InvalidInput, match="at least one"):
        parity(base.weights, [], base.gguf, contract(), [])
