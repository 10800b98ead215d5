"""One LoRA step, ours beside TRL's SFTTrainer: same model, tokens, labels and adapter.

`python workers/benches/train_speed.py --weights FOLDER [--json]`. First the losses must agree, then the peers take
turns. Reports CPU and wall seconds (median) and the ratio of paired repeats with a 95 % interval.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset  # type: ignore[import-untyped]
from peft import LoraConfig
from rich.console import Console
from rich.table import Table
from scipy import stats
from transformers import AutoModelForCausalLM
from transformers.utils import logging
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from tuneloop.registry.contract import Contract, Task
from tuneloop_workers.training.base import Base, load_base, place
from tuneloop_workers.training.data import Encoded, Example, encoder
from tuneloop_workers.training.fused import fuse
from tuneloop_workers.training.lora import attach, trainable
from tuneloop_workers.training.spec import Device, Precision
from tuneloop_workers.training.step import CompletionLoss, collate

RANK, ALPHA, RATE, CLIP = 16, 32, 5e-4, 1.0
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHORT = "Sort the message."
LONG = " ".join(
    f"Rule {n}: read the customer's message with care, name its topic, and never promise anything the shop can't keep."
    for n in range(1, 13)
)
MESSAGES = (
    "I ordered two pairs of boots last Tuesday and only one of them has turned up, can somebody find out where it went",
    "the zip of the jacket I got from you broke after three days and I would like to know what you can do about it",
    "I sent the tent back two weeks ago and still see nothing on my bank account, how long does this normally take",
    "your app asks me for a code every single time and then tells me that the code is wrong although I just got it",
    "can I still change the size of the trousers in the order I placed this morning or is it already on its way out",
    "my card was charged twice for the same order yesterday evening, please give me one of the two payments back",
    "is the blue sleeping bag warm enough for a week in the mountains in early spring or should I take the other one",
    "the voucher from the newsletter does not work at the checkout, it says that it is not valid for this basket",
)


class Cost(NamedTuple):
    cpu: float
    wall: float


class Peer(NamedTuple):
    name: str
    step: Callable[[], float]


def encode(base: Base, system_prompt: str) -> tuple[tuple[int, ...], list[Encoded]]:
    contract = Contract(task=Task.GENERATE, system_prompt=system_prompt)
    encoding = encoder(base.tokenizer, contract, base.max_tokens)
    examples = []
    for number, message in enumerate(MESSAGES):
        turns = [{"role": "user", "content": message}, {"role": "assistant", "content": "ABCDEFGH"[number]}]
        examples.append(encoding.example(Example.model_validate({"id": str(number), "messages": turns})))
    return encoding.prefix, examples


def ours(weights: Path, precision: Precision, system_prompt: str) -> Peer:
    base = load_base(weights, place(Device.CPU, precision))
    prefix, examples = encode(base, system_prompt)
    torch.manual_seed(0)
    model = attach(base.model, rank=RANK, alpha=ALPHA, top_layers=None)
    fuse(model)
    loss_of, batch = CompletionLoss(model, prefix), collate(examples)
    parameters = list(trainable(model).values())
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0, fused=True)

    def step() -> float:
        loss = loss_of(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return finish(loss, parameters, optimiser)

    return Peer(f"tuneloop {precision}", step)


def theirs(weights: Path, bf16: bool, system_prompt: str) -> Peer:
    """TRL as it is fastest on a CPU: gradient checkpointing, its default, is off."""
    base = load_base(weights, place(Device.CPU, Precision.FP32))
    prefix, examples = encode(base, system_prompt)
    rows = [
        {
            "input_ids": [*prefix, *example.tokens],
            "labels": [-100] * (len(prefix) + len(example.tokens) - example.answer_length)
            + list(example.tokens[-example.answer_length :]),
        }
        for example in examples
    ]
    torch.manual_seed(0)
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32),
        args=SFTConfig(
            output_dir=mkdtemp(),
            per_device_train_batch_size=len(rows),
            gradient_checkpointing=False,
            bf16=bf16,
            use_cpu=True,
            report_to="none",
            learning_rate=RATE,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=LoraConfig(
            r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=LINEAR, task_type="CAUSAL_LM"
        ),
    )
    batch: dict[str, Any] = next(iter(trainer.get_train_dataloader()))
    model: Any = trainer.accelerator.prepare_model(trainer.model).train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = trainer.create_optimizer()

    def step() -> float:
        with trainer.compute_loss_context_manager():
            loss: torch.Tensor = trainer.compute_loss(model, dict(batch))  # type: ignore[no-untyped-call]
        trainer.accelerator.backward(loss)
        return finish(loss, parameters, optimiser)

    return Peer(f"TRL {'bf16' if bf16 else 'fp32'}", step)


def finish(loss: torch.Tensor, parameters: Sequence[torch.nn.Parameter], optimiser: torch.optim.Optimizer) -> float:
    torch.nn.utils.clip_grad_norm_(parameters, CLIP)
    optimiser.step()
    optimiser.zero_grad()
    return loss.item()


def timed(peer: Peer) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    peer.step()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def compare(peers: Sequence[Peer], repeats: int) -> dict[str, Any]:
    """Losses of the first step, then `repeats` rounds in turn; ratios are each peer's CPU seconds over the first's."""
    losses = {peer.name: peer.step() for peer in peers}
    reference = losses[peers[-1].name]
    for name, loss in losses.items():
        tolerance = 1e-4 if "fp32" in name else 2e-2
        if abs(loss - reference) > tolerance * reference:
            raise SystemExit(f"{name}: first loss {loss:.5f}, {peers[-1].name} has {reference:.5f}; nothing to compare")
    rounds = [{peer.name: timed(peer) for peer in peers} for _ in range(repeats)]
    first = peers[0].name
    result = {}
    for name, loss in losses.items():
        logs = np.log([costs[name].cpu / costs[first].cpu for costs in rounds])
        half = stats.t.ppf(0.975, repeats - 1) * logs.std(ddof=1) / np.sqrt(repeats) if repeats > 1 else np.nan
        result[name] = {
            "first_loss": loss,
            "cpu_seconds": [costs[name].cpu for costs in rounds],
            "wall_seconds": [costs[name].wall for costs in rounds],
            "cpu_ratio": float(np.exp(logs.mean())),
            "cpu_ratio_interval": [float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))],
        }
    return result


def show(title: str, result: dict[str, Any]) -> None:
    table = Table("peer", "first loss", "CPU s", "wall s", "x ours (CPU)", "95 % interval", title=title)
    for name, row in result.items():
        low, high = row["cpu_ratio_interval"]
        table.add_row(
            name,
            f"{row['first_loss']:.4f}",
            f"{median(row['cpu_seconds']):.2f}",
            f"{median(row['wall_seconds']):.2f}",
            f"{row['cpu_ratio']:.2f}",
            f"{low:.2f}-{high:.2f}",
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="Hugging Face folder of the base model")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--prompts", nargs="+", choices=("short", "long"), default=("short", "long"))
    parser.add_argument("--json", action="store_true", help="print every figure as JSON instead of tables")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(options.threads)
    report: dict[str, Any] = {
        "threads": options.threads,
        "cpu": dict(torch.cpu.get_capabilities()),
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "trl")},
        "cases": {},
    }
    for prompt in options.prompts:
        text = SHORT if prompt == "short" else LONG
        peers = [
            ours(options.weights, Precision.BF16, text),
            ours(options.weights, Precision.FP32, text),
            theirs(options.weights, bf16=True, system_prompt=text),
            theirs(options.weights, bf16=False, system_prompt=text),
        ]
        report["cases"][prompt] = compare(peers, options.repeats)
        if not options.json:
            show(f"one step of {len(MESSAGES)} messages, {prompt} system prompt", report["cases"][prompt])
    if options.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
