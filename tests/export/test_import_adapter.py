"""A LoRA that somebody trained elsewhere acts here as it did there, however its folder was written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear, LoraLayer
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.export.conftest import Tuned
from tests.support.tiny_models import ArchitectureName
from tuneloop.kit.errors import CorruptArtifact
from tuneloop.registry.adapters.config import CONFIG_FILE
from tuneloop.registry.adapters.folder import WEIGHTS_FILE
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.export.adapter import AdapterTensors, write_folder
from tuneloop_workers.export.import_adapter import complete, rewrite_adapter
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.validate import linear_shapes, read_adapter
from tuneloop_workers.training.adapter import read_adapter as read_for_training

TunedModels = Callable[[ArchitectureName], Tuned]
Updates = dict[str, NDArray[np.float32]]

CONFIGS: dict[str, dict[str, Any]] = {
    "two modules": {"target_modules": ["q_proj", "v_proj"], "r": 4, "lora_alpha": 8},
    "all linear, rank-stabilised": {"target_modules": "all-linear", "r": 4, "lora_alpha": 8, "use_rslora": True},
    "a regular expression": {"target_modules": r".*\.layers\.[12]\.self_attn\.(q|o)_proj", "r": 2, "lora_alpha": 3},
    "ranks and alphas of their own": {
        "target_modules": ["q_proj", "up_proj", "down_proj"],
        "r": 4,
        "lora_alpha": 8,
        "rank_pattern": {r"layers\.0\.self_attn\.q_proj": 8, "up_proj": 2},
        "alpha_pattern": {"down_proj": 5, r"^model\.layers\.2\.mlp\.up_proj": 16},
        "use_rslora": True,
    },
    "some layers": {"target_modules": ["k_proj"], "layers_to_transform": [1], "r": 1, "lora_alpha": 16},
}


def trained(weights: Path, folder: Path, **config: Any) -> Updates:
    """Writes an adapter with PEFT; what it adds to each layer, as PEFT computes it."""
    torch.manual_seed(3)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(weights), LoraConfig(task_type="CAUSAL_LM", **config))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    model.save_pretrained(str(folder))
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
    return {
        name.removeprefix("base_model.model."): cast(Linear, layer).get_delta_weight("default").detach().numpy()
        for name, layer in layers.items()
    }


def updates(adapter: AdapterTensors) -> Updates:
    return {m: np.float32(adapter.alpha / adapter.rank) * (f.b @ f.a) for m, f in adapter.factors.items()}


def require_same(found: Updates, expected: Updates) -> None:
    assert {module for module, update in found.items() if update.any()} == expected.keys()
    for module, update in expected.items():
        np.testing.assert_allclose(found[module], update, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_every_form_of_plain_lora_adds_what_peft_adds_and_can_be_continued(
    tuned: TunedModels, config: dict[str, Any], tmp_path: Path
) -> None:
    pair = tuned("llama").base
    expected = trained(pair.weights, tmp_path / "theirs", **config)
    base = GgufFile.open(pair.gguf)
    whole = complete(read_adapter(tmp_path / "theirs", base), base)
    require_same(updates(whole), expected)

    assert whole.factors.keys() == linear_shapes(base).keys()
    write_folder(whole, tmp_path / "ours")
    again = read_for_training(tmp_path / "ours")
    assert (again.rank, len(again.factors)) == (whole.rank, len(whole.factors))
    assert all(factors.a.any(dim=1).all() for factors in again.factors.values()), "every row can learn"
    export_lora(tmp_path / "ours", pair.gguf, tmp_path / "ours.gguf")
    assert len(GgufFile.open(tmp_path / "ours.gguf").tensors) == 2 * len(expected), "what changes nothing is not served"


@pytest.mark.parametrize(
    "named",
    [
        lambda name: name.replace("lora_A.", "lora_A.default.").replace("lora_B.", "lora_B.default."),
        lambda name: name.replace("base_model.model.model.", "base_model.model.model.language_model."),
        lambda name: name.replace("base_model.model.model.", "base_model.model.language_model.model."),
        lambda name: name.replace("base_model.model.", "module._orig_mod."),
        lambda name: name.replace(".self_attn", "._fsdp_wrapped_module.self_attn"),
        lambda name: name.removeprefix("base_model.model."),
    ],
)
def test_prefixes_of_other_trainers_name_the_same_layers(
    tuned: TunedModels, named: Callable[[str], str], tmp_path: Path
) -> None:
    pair = tuned("llama").base
    folder = tuned("llama").first
    tensors = {named(name): values for name, values in load_file(folder / WEIGHTS_FILE).items()}
    save_file(tensors, tmp_path / WEIGHTS_FILE)
    (tmp_path / CONFIG_FILE).write_bytes((folder / CONFIG_FILE).read_bytes())
    base = GgufFile.open(pair.gguf)
    require_same(updates(read_adapter(tmp_path, base)), updates(read_adapter(folder, base)))


def test_a_confined_process_writes_the_folder_again_or_says_what_to_do(tuned: TunedModels, tmp_path: Path) -> None:
    made = tuned("llama")
    facts = rewrite_adapter(made.first, made.base.gguf, tmp_path / "ours")
    assert (facts.rank, facts.alpha, facts.layers, len(facts.modules)) == (4, 8.0, 3, 7)
    base = GgufFile.open(made.base.gguf)
    require_same(updates(read_adapter(tmp_path / "ours", base)), updates(read_adapter(made.first, base)))

    still = tmp_path / "still"
    still.mkdir()
    zero = {
        name: 0 * values if "lora_B" in name else values
        for name, values in load_file(made.first / WEIGHTS_FILE).items()
    }
    save_file(zero, still / WEIGHTS_FILE)
    (still / CONFIG_FILE).write_bytes((made.first / CONFIG_FILE).read_bytes())
    with pytest.raises(CorruptArtifact, match="was it trained at all"):
        rewrite_adapter(still, made.base.gguf, tmp_path / "other")
