"""Retraining on Banking77, beside an earlier measurement: before, continue on everything, blends, new examples only.

`python workers/benches/banking77.py --data FOLDER --weights FOLDER`: 21 established intents with 21 examples each and 3
new ones with 3 each make v1; then 75 examples of the new ones arrive. Prints accuracy on 720 test items (30 an intent)
beside the figures of that measurement (one seed). Every intent's answer is one letter, scored by its first token.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

import numpy as np
import torch
from peft import PeftModel
from rich.console import Console
from rich.table import Table
from transformers import DynamicCache
from transformers.utils import logging

from tuneloop.registry.contract import Contract, Task
from tuneloop.stats.intervals import Rate
from tuneloop_workers.training.adapter import Adapter, Factors, read_adapter, write_adapter
from tuneloop_workers.training.base import Base, load_base, output_head, place
from tuneloop_workers.training.blend import blend, fit
from tuneloop_workers.training.data import Encoder, Example, encoder
from tuneloop_workers.training.events import Done, Event, Progress
from tuneloop_workers.training.recipe import train
from tuneloop_workers.training.spec import Device, Method, ParentPart, Precision, TrainSpec

ESTABLISHED, NEW, TEST_EACH, DEV_EACH = 21, 3, 30, 2
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWX")
CONTRACT = Contract(
    task=Task.CLASSIFY,
    system_prompt="Sort the bank customer's message. Answer with the letter of its intent.",
    labels=LETTERS,
)
EARLIER = {
    "v1": (83.1, 88.4, 45.6),
    "continue on old + new": (87.6, 87.0, 92.2),
    "blend 0.5, factors averaged": (88.6, 89.5, 82.2),
    "blend 0.5, exact": None,
    "continue on new only": (29.9, 19.8, 100.0),
}


class Item(NamedTuple):
    text: str
    letter: str


class Subset(NamedTuple):
    """`first` trains v1, `arrived` comes later; dev is disjoint from both and from the test items."""

    first: list[Item]
    arrived: list[Item]
    dev: list[Item]
    test: list[Item]
    new: frozenset[str]


def choose(data: Path, seed: int, *, alphabetical: bool) -> Subset:
    rng = np.random.default_rng(seed)
    train_by, test_by = by_intent(data / "train.jsonl"), by_intent(data / "test.jsonl")
    eligible = sorted(intent for intent, texts in train_by.items() if len(texts) >= 60)
    order = range(len(eligible)) if alphabetical else rng.permutation(len(eligible))
    intents = [eligible[i] for i in order[: ESTABLISHED + NEW]]
    first, arrived, dev, test = [], [], [], []
    for number, (intent, letter) in enumerate(zip(intents, LETTERS, strict=True)):
        texts = [train_by[intent][i] for i in rng.permutation(len(train_by[intent]))]
        items = [Item(text, letter) for text in texts]
        dev += items[:DEV_EACH]
        rest = items[DEV_EACH:]
        known = 21 if number < ESTABLISHED else 3
        first += rest[:known]
        if number >= ESTABLISHED:
            arrived += rest[known : known + 25]
        test += [Item(text, letter) for text in rng.permutation(test_by[intent])[:TEST_EACH].tolist()]
    return Subset(first, arrived, dev, test, frozenset(LETTERS[ESTABLISHED:]))


def by_intent(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text().splitlines():
        row = json.loads(line)
        found[row["label"]].append(row["text"])
    return found


class Trainer(NamedTuple):
    weights: Path
    folder: Path
    subset: Subset
    options: dict[str, Any]
    console: Console

    def run(self, name: str, items: Sequence[Item], **changes: Any) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True)
        spec = TrainSpec(
            base_weights=self.weights,
            base_sha256="0" * 64,
            contract=CONTRACT,
            examples=self._write(folder / "examples.jsonl", items),
            dev=self._write(folder / "dev.jsonl", self.subset.dev),
            output=folder,
            new_share=None,
            patience=None,
            **(self.options | changes),
        )
        ending = train(spec, self._report, lambda: False)
        if not isinstance(ending, Done):
            raise SystemExit(f"{name} ended early: {ending}")
        self.console.print(name, ending.metrics.model_dump(mode="json"))
        return ending.adapter

    def _write(self, path: Path, items: Iterable[Item]) -> Path:
        rows = [
            {
                "id": str(number),
                "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": letter}],
                "weight_group": "new" if letter in self.subset.new else "old",
                "category": letter,
            }
            for number, (text, letter) in enumerate(items)
        ]
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return path

    def _report(self, event: Event) -> None:
        if not isinstance(event, Progress) or event.step % 10 == 0:
            self.console.print(event.model_dump_json())


@torch.no_grad()
def answers(base: Base, adapter: Path, items: Sequence[Item]) -> list[str]:
    """The most probable letter after each message: shared prefix computed once, only the letters' rows of the head."""
    encode = encoder(base.tokenizer, CONTRACT, base.max_tokens)
    model = PeftModel.from_pretrained(base.model, str(adapter)).eval()
    letters = torch.tensor([encode.encode(f" {letter}", False)[0] for letter in LETTERS])
    head = output_head(base.model).weight[letters]
    prompts = [prompt_tokens(encode, item) for item in items]
    found = [""] * len(items)
    order = sorted(range(len(items)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), 32):
        chosen = order[start : start + 32]
        hidden = last_states(base.model, encode.prefix, [prompts[i] for i in chosen])
        for i, best in zip(chosen, (hidden @ head.T).argmax(dim=-1).tolist(), strict=True):
            found[i] = LETTERS[best]
    model.unload()
    return found


def prompt_tokens(encode: Encoder, item: Item) -> tuple[int, ...]:
    turns = [{"role": "user", "content": item.text}, {"role": "assistant", "content": item.letter}]
    example = encode.example(Example.model_validate({"id": "", "messages": turns}))
    return example.tokens[: -example.answer_length]


def last_states(model: Any, prefix: Sequence[int], prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    cache = DynamicCache(config=model.config)
    model.model(torch.tensor([prefix]), past_key_values=cache, use_cache=True)
    cache.batch_repeat_interleave(len(prompts))
    tokens = torch.zeros(len(prompts), max(map(len, prompts)), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.tensor(prompt)
    states: torch.Tensor = model.model(tokens, past_key_values=cache, use_cache=True).last_hidden_state
    return states[torch.arange(len(prompts)), torch.tensor([len(prompt) - 1 for prompt in prompts])]


def averaged(first: Adapter, second: Adapter) -> Adapter:
    """Means of the A and of the B factors: not the mean of the updates, kept to compare with the exact blend."""
    factors = {
        name: Factors((one.a + second.factors[name].a) / 2, (one.b + second.factors[name].b) / 2)
        for name, one in first.factors.items()
    }
    return Adapter(factors, first.rank, first.alpha)


def save(adapter: Adapter, folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_adapter(adapter, folder)
    return folder


def show(console: Console, results: dict[str, list[str]], subset: Subset) -> dict[str, Any]:
    table = Table(
        "model", "overall", "old", "new", "measured earlier", "differs from v1", title="Banking77, 720 test items"
    )
    figures = {}
    for name, found in results.items():
        right = [answer == item.letter for answer, item in zip(found, subset.test, strict=True)]
        strata = Counter[str]()
        for item, correct in zip(subset.test, right, strict=True):
            strata["new" if item.letter in subset.new else "old"] += correct
        rates = {
            "overall": Rate(sum(right), len(right)),
            "old": Rate(strata["old"], TEST_EACH * ESTABLISHED),
            "new": Rate(strata["new"], TEST_EACH * NEW),
        }
        differs = Rate(sum(a != b for a, b in zip(found, results["v1"], strict=True)), len(found))
        earlier = EARLIER.get(name)
        table.add_row(
            name,
            *(percent(rate) for rate in rates.values()),
            " / ".join(f"{value:.1f}" for value in earlier) if earlier else "not measured",
            f"{100 * differs.value:.1f}",
        )
        figures[name] = {key: [rate.correct, rate.n] for key, rate in rates.items()} | {"differs": differs.correct}
    console.print(table)
    return figures


def percent(rate: Rate) -> str:
    low, high = rate.interval
    return f"{100 * rate.value:.1f} ({100 * low:.1f}-{100 * high:.1f}, n={rate.n})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.jsonl and test.jsonl")
    parser.add_argument("--weights", type=Path, required=True, help="Hugging Face folder of the base model")
    parser.add_argument("--work", type=Path, default=Path("/tmp/tuneloop-banking77"), help="emptied first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alphabetical", action="store_true", help="the first 24 intents, not a random choice")
    parser.add_argument("--peak-lr", type=float, default=5e-4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    rmtree(options.work, ignore_errors=True)
    console, subset = Console(), choose(options.data, options.seed, alphabetical=options.alphabetical)
    common = {
        "batch_size": 16,
        "peak_lr": options.peak_lr,
        "seed": options.seed,
        "threads": options.threads,
        "device": Device.CPU,
    }
    trainer = Trainer(options.weights, options.work, subset, common, console)

    v1 = trainer.run("v1", subset.first, epochs=4)
    parent = (ParentPart(folder=v1),)
    everything = [*subset.first, *subset.arrived]
    both = trainer.run("both", everything, method=Method.CONTINUE, parent=parent, epochs=1)
    half = {"peak_lr": options.peak_lr / 2}
    gentle = trainer.run("gentle", everything, method=Method.CONTINUE, parent=parent, epochs=1, **half)
    only = trainer.run("only", subset.arrived, method=Method.CONTINUE, parent=parent, epochs=3)
    old, new = read_adapter(v1), read_adapter(both)
    exact = blend([(old, 0.5), (new, 0.5)])
    adapters = {
        "v1": v1,
        "continue on old + new": both,
        "the same at half the rate": gentle,
        "blend 0.5, factors averaged": save(averaged(old, new), options.work / "averaged"),
        "blend 0.5, exact": save(exact, options.work / "exact"),
        "blend 0.5, exact, back to rank 16": save(fit(exact, 16, 32), options.work / "compressed"),
        "continue on new only": only,
    }
    base = load_base(options.weights, place(Device.CPU, Precision.AUTO))
    results = {name: answers(base, adapter, subset.test) for name, adapter in adapters.items()}
    figures = show(console, results, subset)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
