"""Label probabilities against brute force with the Hugging Face weights of the same tiny model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.serving.conftest import LABELS, SORTING, MakeEngine, answer_of, ask, probabilities_of
from tests.support.tiny_models import TinyPair
from tuneloop.registry.contract import Contract, Task
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.servable import Servable

MESSAGES = ("my parcel has not arrived", "I would like my money back", "the app says my password is wrong")


def brute_force(reference: Any, prompt: Sequence[int], closed: Sequence[Sequence[int]]) -> list[float]:
    """Every label scored token by token, renormalised over the tokens that some label allows at that place."""
    scores = []
    for label in closed:
        probability = 1.0
        for depth, token in enumerate(label):
            allowed = sorted({other[depth] for other in closed if list(other[:depth]) == list(label[:depth])})
            with torch.no_grad():
                logits = reference(torch.tensor([[*prompt, *label[:depth]]])).logits[0, -1].double().numpy()
            weights = np.exp(logits[allowed] - logits[allowed].max())
            probability *= float(weights[allowed.index(token)] / weights.sum())
        scores.append(probability)
    return scores


def prompt_tokens(engine: Engine, version: Servable, text: str) -> list[int]:
    return [*version.prefix, *version.suffix(engine.model, ask(text))]


@pytest.mark.parametrize("family", ["pair", "gemma"])
def test_label_probabilities_equal_brute_force(
    make_engine: MakeEngine, family: str, request: pytest.FixtureRequest
) -> None:
    base: TinyPair = request.getfixturevalue(family)
    engine = make_engine(base.gguf)
    reference = AutoModelForCausalLM.from_pretrained(base.weights, dtype=torch.float32).eval()  # type: ignore[no-untyped-call]
    version = engine.prepare(SORTING, [])
    closed = [(*version.labels[label], version.end) for label in LABELS]
    for message in MESSAGES:
        engine.submit(version, ask(message))
        [finished] = engine.run()
        answer = answer_of(finished)
        expected = brute_force(reference, prompt_tokens(engine, version, message), closed)
        assert list(probabilities_of(answer)) == list(LABELS)
        assert list(probabilities_of(answer).values()) == pytest.approx(expected, abs=4e-3)
        assert answer.text == LABELS[int(np.argmax(expected))]


def test_probabilities_sum_to_one_and_confidence_is_the_largest(engine: Engine) -> None:
    engine.submit(engine.prepare(SORTING, []), ask(MESSAGES[0]))
    [finished] = engine.run()
    answer = answer_of(finished)
    ranked = sorted(probabilities_of(answer).values(), reverse=True)
    assert sum(ranked) == pytest.approx(1.0)
    assert answer.confidence == ranked[0]
    assert answer.margin == pytest.approx(ranked[0] - ranked[1])


def test_labels_with_distinct_first_tokens_take_one_decode_after_the_prefix(engine: Engine) -> None:
    contract = Contract(task=Task.CLASSIFY, system_prompt="Sort.", labels=("Apple", "Banana", "Cherry"))
    version = engine.prepare(contract, [])
    assert len({tokens[1] for tokens in version.labels.values()}) == 3
    engine.warm(version)
    engine.run()
    engine.submit(version, ask("red and round"))
    assert [answer_of(finished).text in contract.labels for finished in engine.step()] == [True]
