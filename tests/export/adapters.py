"""PEFT adapters: with random factors, as training would leave them, or with chosen ones."""

from pathlib import Path

import numpy as np
import orjson
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM

from tuneloop_workers.bases.architectures import LINEAR_MODULES
from tuneloop_workers.export.adapter import CONFIG_FILE, WEIGHTS_FILE, AdapterTensors, tensor_name
from tuneloop_workers.files import new_folder


def random_adapter(
    weights: Path, folder: Path, *, seed: int = 0, rank: int = 4, alpha: int = 8, spread: float = 0.1
) -> Path:
    """Writes a LoRA on all linear layers; both factors are normal, B with this standard deviation."""
    torch.manual_seed(seed)
    targets = [module.rsplit(".", 1)[1] for module in LINEAR_MODULES]
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(weights), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=spread)
    model.save_pretrained(str(folder))
    return folder


def write_adapter(adapter: AdapterTensors, out: Path, *, base_name: str) -> None:
    """Writes a PEFT folder."""
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": adapter.rank,
        "lora_alpha": adapter.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted(adapter.factors),
    }
    tensors = {
        tensor_name(module, part): np.ascontiguousarray(values)
        for module, factors in adapter.factors.items()
        for part, values in (("A", factors.a), ("B", factors.b))
    }
    with new_folder(out) as draft:
        (draft / CONFIG_FILE).write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
        save_file(tensors, draft / WEIGHTS_FILE, metadata={"format": "pt"})
