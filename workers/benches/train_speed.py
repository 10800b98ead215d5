"""One LoRA step, ours beside TRL's SFTTrainer: same model, tokens, answers and adapter.

`python workers/benches/train_speed.py --weights FOLDER [--json]`. First the losses over the whole vocabulary must
agree, then the peers take turns: the same step, and the one that the product takes for labels, in a first training and
in a retrain. Reports CPU and wall seconds (median) and the ratio of paired repeats with a 95 % interval.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from enum import StrEnum
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
from tuneloop_workers.training.data import Encoded, Encoder, TrainingExample, encoder
from tuneloop_workers.training.fused import fuse
from tuneloop_workers.training.lora import attach, last_third, trainable
from tuneloop_workers.training.spec import Device, Precision
from tuneloop_workers.training.step import CompletionLoss

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


class Way(StrEnum):
    SAME = "same loss"
    LABELS = "labels, all layers"
    RETRAIN = "labels, last third"


class Peer(NamedTuple):
    """`first_loss` is over the whole vocabulary, before any step."""

    name: str
    first_loss: float
    step: Callable[[], None]


def encode(base: Base, system_prompt: str) -> tuple[Encoder, list[Encoded]]:
    labels = tuple("ABCDEFGH")
    contract = Contract(task=Task.CLASSIFY, system_prompt=system_prompt, labels=labels)
    encoding = encoder(base.tokenizer, contract, base.max_tokens)
    examples = []
    for number, message in enumerate(MESSAGES):
        turns = [{"role": "user", "content": message}, {"role": "assistant", "content": labels[number]}]
        examples.append(encoding.example(TrainingExample.model_validate({"id": str(number), "messages": turns})))
    return encoding, examples


def ours(weights: Path, system_prompt: str, way: Way) -> Peer:
    """In the precision that the product chooses here."""
    base = load_base(weights, place(Device.CPU, Precision.AUTO))
    encoded, examples = encode(base, system_prompt)
    torch.manual_seed(0)
    top_layers = last_third(base.model) if way is Way.RETRAIN else None
    model = attach(base.model, rank=RANK, alpha=ALPHA, top_layers=top_layers)
    fuse(model)
    loss_of = CompletionLoss(model, encoded.prefix, encoded.labels)
    parameters = list(trainable(model).values())
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0, fused=True)
    with torch.no_grad():
        first_loss = loss_of.vocabulary_loss(examples).item()
    if top_layers is not None:
        loss_of.freeze_below(top_layers, examples)

    def step() -> None:
        loss = loss_of.vocabulary_loss(examples) if way is Way.SAME else loss_of.label_loss(examples)
        loss.backward()  # type: ignore[no-untyped-call]
        finish(parameters, optimiser)

    return Peer(f"tuneloop, {way}", first_loss, step)


def theirs(weights: Path, bf16: bool, system_prompt: str) -> Peer:
    """TRL as it is fastest on a CPU: gradient checkpointing, its default, is off."""
    base = load_base(weights, place(Device.CPU, Precision.FP32))
    encoded, examples = encode(base, system_prompt)
    rows = [
        {
            "input_ids": [*encoded.prefix, *example.tokens],
            "labels": [-100] * (len(encoded.prefix) + len(example.tokens) - example.answer_length)
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

    def forward() -> torch.Tensor:
        with trainer.compute_loss_context_manager():
            loss: torch.Tensor = trainer.compute_loss(model, dict(batch))  # type: ignore[no-untyped-call]
        return loss

    def step() -> None:
        trainer.accelerator.backward(forward())
        finish(parameters, optimiser)

    with torch.no_grad():
        first_loss = forward().item()
    return Peer(f"TRL {'bf16' if bf16 else 'fp32'}", first_loss, step)


def finish(parameters: Sequence[torch.nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
    torch.nn.utils.clip_grad_norm_(parameters, CLIP)
    optimiser.step()
    optimiser.zero_grad()


def timed(peer: Peer) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    peer.step()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def compare(peers: Sequence[Peer], repeats: int, native: torch.dtype) -> dict[str, Any]:
    """First losses, then `repeats` rounds in turn; ratios are CPU seconds of the last peer over each one's."""
    losses = {peer.name: peer.first_loss for peer in peers}
    reference = losses[peers[-1].name]
    for name, loss in losses.items():
        tolerance = 1e-4 if native is torch.float32 else 2e-2
        if abs(loss - reference) > tolerance * reference:
            raise SystemExit(f"{name}: first loss {loss:.5f}, {peers[-1].name} has {reference:.5f}; nothing to compare")
    for peer in peers:
        peer.step()
    rounds = [{peer.name: timed(peer) for peer in peers} for _ in range(repeats)]
    last = peers[-1].name
    result = {}
    for name, loss in losses.items():
        logs = np.log([costs[last].cpu / costs[name].cpu for costs in rounds])
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
    table = Table("peer", "first loss", "CPU s", "wall s", "times the last one's speed", "95 % interval", title=title)
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
        # The last is the peer that all are compared with: TRL in the precision that is faster for it here.
        native = place(Device.CPU, Precision.AUTO).dtype
        peers = [*(ours(options.weights, text, way) for way in Way)]
        peers.append(theirs(options.weights, bf16=native is torch.bfloat16, system_prompt=text))
        report["cases"][prompt] = compare(peers, options.repeats, native)
        if not options.json:
            show(f"one step of {len(MESSAGES)} messages, {prompt} system prompt", report["cases"][prompt])
    if options.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
