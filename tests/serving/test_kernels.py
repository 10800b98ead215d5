"""The kernels that are built into llama.cpp compute what the weights say, for any number of tokens at once."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import llama_cpp.llama_cpp as c
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.support.tiny_models import build_tiny_pair
from tuneloop_workers import llama
from tuneloop_workers.bases.bake import bake

FILE_TYPES = {"Q5_0": c.LLAMA_FTYPE_MOSTLY_Q5_0, "Q8_0": c.LLAMA_FTYPE_MOSTLY_Q8_0}
THREADS = 2

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="kernels for x86-64")


@pytest.fixture(scope="module", params=FILE_TYPES)
def quantised(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    pair = build_tiny_pair(folder, "gemma3")
    parameters = c.llama_model_quantize_default_params()
    parameters.ftype = FILE_TYPES[request.param]
    out = folder / "quantised.gguf"
    assert c.llama_model_quantize(str(pair.gguf).encode(), str(out).encode(), ctypes.byref(parameters)) == 0
    return out


@pytest.fixture(scope="module")
def model(quantised: Path) -> Iterator[llama.Model]:
    with closing(llama.Model(quantised)) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def exact(quantised: Path) -> PreTrainedModel:
    """The same quantised weights, multiplied in F32."""
    return AutoModelForCausalLM.from_pretrained(bake(quantised, quantised.parent / "weights").weights)


def test_the_build_holds_our_kernels() -> None:
    assert "STRIPS" in llama.identity()


@pytest.mark.parametrize("count", [2, 3, 4, 5, 7, 8, 11, 16, 29, 64])
def test_a_prompt_of_any_length_is_read_as_its_weights_say(
    model: llama.Model, exact: PreTrainedModel, count: int
) -> None:
    tokens = [2, *np.random.default_rng(count).integers(10, model.vocabulary_size, count - 1).tolist()]
    with torch.inference_mode():
        expected = exact(torch.tensor([tokens])).logits[0, -1].numpy()

    with closing(model.context(threads=THREADS, cells=128, sequences=1, batch_tokens=64)) as context:
        found = context.decode([llama.Rows(0, 0, tokens, last_logits=True)])[0].copy()

    # Activations are rounded to eight bits, whatever the kernel.
    assert np.abs(found - expected).max() < 0.15 * expected.std()


def test_an_answer_does_not_depend_on_how_many_tokens_were_read_at_once(model: llama.Model) -> None:
    tokens = [2, *range(20, 60)]
    found = []
    for step in (1, 3, 4, 41):
        with closing(model.context(threads=1, cells=128, sequences=1, batch_tokens=64)) as context:
            for at in range(0, len(tokens), step):
                logits = context.decode([llama.Rows(0, at, tokens[at : at + step], last_logits=True)])[0].copy()
        found.append(logits)
    assert np.abs(np.array(found) - found[0]).max() < 0.15 * found[0].std()
