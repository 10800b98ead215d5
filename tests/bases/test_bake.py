"""A baked base holds exactly the numbers and the tokenizer of the GGUF that serves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from tests.support.tiny_models import CONTEXT, ArchitectureName, TinyPair, build_tiny_pair
from tuneloop.kit.errors import Conflict, CorruptArtifact, InvalidInput
from tuneloop_workers.bases.bake import bake
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.bases.pair import describe_pair

ARCHITECTURES: tuple[ArchitectureName, ...] = ("gemma2", "gemma3", "llama", "phi3", "qwen2", "qwen3")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TinyPair:
    return build_tiny_pair(tmp_path_factory.mktemp(request.param), request.param)


def test_baked_weights_are_bit_for_bit_those_of_the_gguf(pair: TinyPair, tmp_path: Path) -> None:
    baked = bake(pair.gguf, tmp_path / "weights")

    original, found = load_file(pair.weights / "model.safetensors"), load_file(baked.weights / "model.safetensors")
    assert found.keys() == original.keys()
    assert all(np.allclose(found[name], original[name], rtol=0, atol=1e-7) for name in original)
    if not baked.architecture.startswith("gemma"):
        assert all(np.array_equal(found[name], original[name]) for name in original)


def test_baked_folder_loads_as_the_same_model(pair: TinyPair, tmp_path: Path) -> None:
    baked = bake(pair.gguf, tmp_path / "weights")

    original = AutoModelForCausalLM.from_pretrained(pair.weights).config.to_dict()
    found = AutoModelForCausalLM.from_pretrained(baked.weights).config.to_dict()
    names = ("model_type", "head_dim", "rope_parameters", "rms_norm_eps", "sliding_window", "layer_types", "vocab_size")
    assert {name: found.get(name) for name in names} == {name: original.get(name) for name in names}


def test_facts_of_the_base_come_from_the_gguf(pair: TinyPair, tmp_path: Path) -> None:
    baked = bake(pair.gguf, tmp_path / "weights")

    assert (baked.quantisation, baked.context_length, baked.licence) == ("F32", CONTEXT, "apache-2.0")
    assert baked.tokenizer_samples > 5


def test_baking_twice_gives_the_same_bytes(pair: TinyPair, tmp_path: Path) -> None:
    first, second = bake(pair.gguf, tmp_path / "first"), bake(pair.gguf, tmp_path / "second")
    assert replace(first, weights=second.weights) == second
    files = [{path.name: path.read_bytes() for path in base.weights.iterdir()} for base in (first, second)]
    assert files[0] == files[1]


def test_weights_are_written_as_the_safetensors_library_writes_them(pair: TinyPair, tmp_path: Path) -> None:
    weights = bake(pair.gguf, tmp_path / "weights").weights / "model.safetensors"
    save_file(load_file(weights), tmp_path / "again.safetensors", metadata={"format": "pt"})
    assert weights.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_a_large_vocabulary_is_dequantised_in_parts_that_add_up(pair: TinyPair) -> None:
    base = GgufFile.open(pair.gguf)
    assert np.array_equal(np.concatenate(list(base.rows("token_embd.weight", 7))), base.values("token_embd.weight"))


def test_an_existing_folder_is_never_overwritten(pair: TinyPair, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    with pytest.raises(Conflict, match="exists already"):
        bake(pair.gguf, tmp_path / "weights")
    assert list((tmp_path / "weights").iterdir()) == []


def test_a_damaged_gguf_leaves_nothing_behind(pair: TinyPair, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(pair.gguf.read_bytes()[:-1000])
    with pytest.raises(CorruptArtifact, match="missing at its end"):
        bake(cut, tmp_path / "weights")
    assert list(tmp_path.iterdir()) == [cut]


def test_an_unknown_architecture_is_refused_by_name(pair: TinyPair, tmp_path: Path) -> None:
    name = pair.gguf.parent.name.rstrip("0123456789").encode()
    other = tmp_path / "other.gguf"
    other.write_bytes(pair.gguf.read_bytes().replace(name, b"z" * len(name)))
    with pytest.raises(InvalidInput, match="is not supported"):
        bake(other, tmp_path / "weights")


def test_weights_and_gguf_of_different_models_are_no_pair(tmp_path: Path) -> None:
    llama, qwen = build_tiny_pair(tmp_path / "a", "llama"), build_tiny_pair(tmp_path / "b", "qwen3")
    with pytest.raises(CorruptArtifact, match="different models"):
        describe_pair(llama.gguf, qwen.weights)


def test_weights_of_mistral_go_with_a_gguf_that_says_llama(tmp_path: Path) -> None:
    pair = build_tiny_pair(tmp_path, "mistral")
    assert AutoConfig.from_pretrained(pair.weights).model_type == "mistral"
    assert describe_pair(pair.gguf, pair.weights).architecture == "llama"


def test_a_pair_with_different_tokenizers_is_refused(tmp_path: Path) -> None:
    pair = build_tiny_pair(tmp_path, "llama")
    tokenizer = pair.weights / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"use_regex":false', '"use_regex":true'))
    tokenizer.write_text(tokenizer.read_text().replace('"ignore_merges": true', '"ignore_merges": false'))
    tokenizer.write_text(tokenizer.read_text().replace('"<|eot_id|>"', '"<|oet_id|>"'))
    with pytest.raises(CorruptArtifact, match="tokenise"):
        describe_pair(pair.gguf, pair.weights)
