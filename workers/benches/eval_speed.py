"""Items per second of an evaluation: ours, Hugging Face generate, and llama.cpp without prefix reuse, in one run.

    python workers/benches/eval_speed.py --gguf base.gguf --weights base-weights/ [--json]

The three answer the same items with the same prompt and label set. Answers are compared first; then the three are
timed in turns, and ratios are taken within each turn. Ours and llama.cpp read the quantised GGUF, Hugging Face the
dequantised weights in bf16 or fp32, whichever is faster on this processor: the same question, other numerics.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, NamedTuple

import torch
import transformers
from processor import processor
from scipy import stats
from transformers import AutoModelForCausalLM, AutoTokenizer

from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.templates import Message, render, render_answer, tokenise
from tuneloop_workers.serving.answer import EngineAnswer
from tuneloop_workers.serving.engine import Engine

LABELS = (
    "delivery", "refund", "exchange", "invoice", "account", "password",
    "opening hours", "complaint", "voucher", "repair", "newsletter", "other",
)  # fmt: skip
RULES = "\n".join(
    f"- {label}: the customer's main question is about {label}, whatever else it says" for label in LABELS
)
CONTRACT = Contract(
    task=Task.CLASSIFY,
    system_prompt=f"You sort messages that customers write to a shop. Choose exactly one topic.\n{RULES}",
    labels=LABELS,
)
OPENERS = (
    "Hi,", "Hello there,", "Good morning,", "Hey, quick one:",
    "Good evening,", "Dear all,", "Hello,", "Hi team,",
)  # fmt: skip
PROBLEMS = (
    "my parcel with the blue jacket should have been here on Monday and the tracking page has not moved since then.",
    "I sent the shoes back two weeks ago and the money is still not on my card, what is going on?",
    "I can't get into my account any more, it says the password is wrong but I am sure that it isn't.",
    "the zip of the bag broke after three days, can somebody have a look at it or fix it for me?",
)
ITEMS = [f"{opener} {problem}" for opener in OPENERS for problem in PROBLEMS]
FEWEST_EQUAL = 0.8

Run = Callable[[], list[str]]


class Timing(NamedTuple):
    """Items per second of wall time and of CPU time, one entry per turn."""

    wall: list[float]
    cpu: list[float]


def main() -> None:
    arguments = _arguments()
    engine = Engine(arguments.gguf, threads=arguments.threads)
    bare = Engine(arguments.gguf, threads=arguments.threads, prefixes=0, sequences=1)
    torch.set_num_threads(arguments.threads)
    precision = _faster_precision(arguments.weights)
    runs: dict[str, Run] = {
        "tuneloop": lambda: _ours(engine),
        "llama.cpp, one by one": lambda: _ours(bare),
        f"hf generate, batch 8, {str(precision).removeprefix('torch.')}": _hugging_face(
            arguments.weights, precision, ITEMS
        ),
    }
    answers = {name: run() for name, run in runs.items()}
    equal = {name: _share_equal(answers["tuneloop"], texts) for name, texts in answers.items()}
    if min(equal.values()) < FEWEST_EQUAL:
        raise SystemExit(f"the answers differ too much to compare speed: {equal}")
    timings = _time_in_turns(runs, arguments.repeats)
    report = _report(timings, equal, engine.identity, arguments.repeats, arguments.threads)
    print(json.dumps(report, indent=1) if arguments.json else _table(report))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True, help="base GGUF")
    parser.add_argument("--weights", type=Path, required=True, help="folder with the same base's weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _messages(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


def _ours(engine: Engine) -> list[str]:
    """From empty memory: the shared prefix is part of the time."""
    engine.reset()
    version = engine.prepare(CONTRACT, [])
    tickets = [engine.submit(version, _messages(text)) for text in ITEMS]
    outcomes = {finished.ticket: finished.outcome for finished in engine.run()}
    return [_text(outcomes[ticket]) for ticket in tickets]


def _text(outcome: object) -> str:
    assert isinstance(outcome, EngineAnswer), outcome
    return outcome.text


def _faster_precision(weights: Path) -> torch.dtype:
    """By one batch each: bf16 is emulated where the processor does not multiply it."""
    times: dict[torch.dtype, float] = {}
    for precision in (torch.bfloat16, torch.float32):
        run = _hugging_face(weights, precision, ITEMS[:8])
        start = time.process_time()
        run()
        times[precision] = time.process_time() - start
    return min(times, key=lambda precision: times[precision])


def _hugging_face(weights: Path, precision: torch.dtype, items: Sequence[str]) -> Run:
    tokenizer: Any = AutoTokenizer.from_pretrained(weights)
    model: Any = AutoModelForCausalLM.from_pretrained(weights, dtype=precision)

    def encode(text: str, special: bool) -> list[int]:
        del special
        return list(tokenizer.encode(text, add_special_tokens=False))

    labels = {label: tokenise(render_answer(CONTRACT, label), encode) for label in LABELS}
    end: int = tokenizer.eos_token_id
    prompts = [render(CONTRACT, _messages(text)) for text in items]
    rows = [[tokenizer.bos_token_id, *tokenise(prompt.prefix + prompt.suffix, encode)] for prompt in prompts]

    def answer_batch(batch: Sequence[list[int]]) -> list[str]:
        width = max(map(len, batch))
        padded = torch.tensor([[0] * (width - len(row)) + row for row in batch])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in batch])

        def allowed(_row: int, tokens: torch.Tensor) -> list[int]:
            said = tokens[width:].tolist()
            closed = [[*label, end] for label in labels.values()]
            return sorted({label[len(said)] for label in closed if label[: len(said)] == said}) or [end]

        with torch.inference_mode():
            out = model.generate(
                padded,
                attention_mask=mask,
                max_new_tokens=max(map(len, labels.values())) + 1,
                do_sample=False,
                prefix_allowed_tokens_fn=allowed,
                pad_token_id=end,
            )
        return [tokenizer.decode(row[width:], skip_special_tokens=True).strip() for row in out]

    return lambda: [text for at in range(0, len(rows), 8) for text in answer_batch(rows[at : at + 8])]


def _share_equal(first: Sequence[str], second: Sequence[str]) -> float:
    return mean(one == other for one, other in zip(first, second, strict=True))


def _time_in_turns(runs: dict[str, Run], repeats: int) -> dict[str, Timing]:
    timings = {name: Timing([], []) for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            timings[name].wall.append(len(ITEMS) / (time.perf_counter() - wall))
            timings[name].cpu.append(len(ITEMS) / (time.process_time() - cpu))
    return timings


def _report(
    timings: dict[str, Timing], equal: dict[str, float], engine: str, repeats: int, threads: int
) -> dict[str, Any]:
    ours = timings["tuneloop"]
    methods = {
        name: {
            "items_per_second": median(timing.wall),
            "best_items_per_second": max(timing.wall),
            "items_per_cpu_second": median(timing.cpu),
            "same_answer_as_ours": equal[name],
            "ours_is_faster_by": _ratio(ours.cpu, timing.cpu),
        }
        for name, timing in timings.items()
    }
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "engine": engine}
    return {
        "items": len(ITEMS),
        "labels": len(LABELS),
        "repeats": repeats,
        "threads": threads,
        "processor": processor(),
        "versions": versions,
        "methods": methods,
    }


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Geometric mean of the CPU-time ratios within turns, with its 95 % t-interval."""
    logs = [math.log(one / other) for one, other in zip(ours, theirs, strict=True)]
    centre = mean(logs)
    reach = 0.0 if len(logs) < 2 else float(stats.t.ppf(0.975, len(logs) - 1)) * stdev(logs) / math.sqrt(len(logs))
    return {"ratio": math.exp(centre), "low": math.exp(centre - reach), "high": math.exp(centre + reach)}


def _table(report: dict[str, Any]) -> str:
    lines = [
        report["processor"],
        f"{report['items']} items, {report['labels']} labels, {report['repeats']} turns, {report['threads']} threads",
    ]
    for name, row in report["methods"].items():
        ratio = row["ours_is_faster_by"]
        lines.append(
            f"{name:31} {row['items_per_cpu_second']:6.2f} items per CPU second, {row['items_per_second']:6.2f} per s, "
            f"same answer {row['same_answer_as_ours']:.0%}, ours x{ratio['ratio']:.2f} "
            f"({ratio['low']:.2f}-{ratio['high']:.2f})"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
