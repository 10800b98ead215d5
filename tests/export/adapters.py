"""PEFT adapters: with random factors, as training would leave them, or with chosen ones."""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def random_adapter(
    weights: Path, folder: Path, *, seed: int = 0, rank: int = 4, alpha: int = 8, spread: float = 0.1
) -> Path:
    """Writes a LoRA on all linear layers; both factors are normal, B with this standard deviation."""
    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(weights), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=spread)
    model.save_pretrained(str(folder))
    return folder
