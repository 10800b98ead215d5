"""Does the file that ships answer like the model that was trained?

A trained and a served model differ for two reasons, which are told apart by a third side between them:

    trained: Hugging Face weights and PEFT adapters, in F32
    exact:   llama.cpp with the GGUF LoRAs, the base without quantised tensors, attention in F32
    served:  llama.cpp with the GGUF LoRAs as it serves, which computes quantised tensors with 8-bit activations

**The export** is judged between trained and exact, on centred next-token logits over the whole vocabulary. Logits are
linear in the last hidden state, so that softmax neither hides an error where the model is sure (an adapter at twice its
strength gives the same sure answers) nor magnifies one where it is not. The error may be three times the noise, plus
0.2 % of what the adapters move: sharp ones move the logits far and carry their rounding along. The noise is measured on
the same prompts: what trained and exact side differ by on the base alone, or what the exact side with the adapters
differs by from itself with attention in F16, whichever is more. On Gemma-3-270M Q4_K_M with 186 labels the error of a
good export was 0.1 % of the effect, a fifth of the limit, and a quarter with the adapter at three times its strength;
with one of the 126 pairs of factors missing it was 0.8 % at the least, with the last rank cut off 4 %, at half its
strength 43 %. Of an adapter that does little, what is lost in the noise is not seen, nor would anybody see it.

**The engine** is judged between exact and served, by its decisions: the label that serving chooses, or the next tokens.
Both sides are the same files, so that all they differ by is the engine's own rounding. There it was 4 % of the effect,
|Δ log p| 0.10 on average and 0.25 at three times the strength, and two runs of the served engine with other attention
were as far apart: no limit on log-probabilities tells a sharp model from a broken one. It is recorded as total
variation, and only what the model is sure of may not change.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.storage import digest_file
from tuneloop.registry.contract import CONTEXT_TOKENS, Contract
from tuneloop_workers.export.decisions import Decisions, compare, decide
from tuneloop_workers.export.reading import SHOWN, Prompt, TokenizedPrompts, read, require_same
from tuneloop_workers.export.reference import Reference
from tuneloop_workers.export.served import ScaledAdapter, served_logprobs
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.servable import LoraFile, Servable

BASE_PROMPTS = 8
"""Prompts on which the base is measured without adapters; the figures are means over the whole vocabulary."""

MOST_TOKENS = 6_000
FEWEST = 2
SAME_MODEL = 0.02
"""Share of the spread of the base's logits by which the two forms of one base may differ; it was 0.0006."""

TIMES_THE_NOISE = 3.0
SHARE_OF_EFFECT = 0.002

Logits = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Called with the steps done and wanted between any two prompts; what it raises ends the check."""


class AdapterPair(NamedTuple):
    """One adapter in both forms, and the scale it is applied with."""

    folder: Path
    gguf: Path
    scale: float = 1.0


class Bases(NamedTuple):
    """One base in three forms: Hugging Face weights, the GGUF that serves, and that without quantised tensors."""

    weights: Path
    gguf: Path
    plain: Path


@dataclass(frozen=True)
class Parity(Decisions):
    """`n` prompts. Errors and `effect` are root mean squares in nats over centred logits.

    `base_error`: trained against exact side without adapters; `export_error` with them, at most `limit`. `noise`: the
    exact side with adapters against itself with other attention. `effect`: what the adapters move, and `strength` the
    part of it that the exported ones have, 1 for a good export.
    """

    n: int
    base_error: float
    export_error: float
    limit: float
    noise: float
    effect: float
    strength: float


def parity(
    bases: Bases,
    adapters: Sequence[AdapterPair],
    contract: Contract,
    prompts: Sequence[Prompt],
    *,
    trained_for: Contract | None = None,
    context_tokens: int = CONTEXT_TOKENS,
    threads: int = 1,
    progress: Progress | None = None,
) -> Parity:
    """`trained_for` is the contract that the adapters were trained with, where it may not be the one that is served.

    Raises Conflict, saying what differs, by how much and what to do, at the first of these that fails: token ids, the
    base, the exported adapters, the decisions of the engine that serves.
    """
    if not prompts:
        raise InvalidInput("a parity check needs at least one conversation; add some to the golden set")
    tokenizer = AutoTokenizer.from_pretrained(bases.weights, trust_remote_code=False)
    loras = [ScaledAdapter(adapter.gguf, adapter.scale) for adapter in adapters]
    with closing(Engine(bases.plain, threads=threads, context_tokens=context_tokens, exact=True)) as engine:
        version = _prepared(engine, contract, adapters)
        reading = read(tokenizer, trained_for or contract, prompts)
        require_same(reading, engine.model, version, tokenizer, prompts)
        longest = version.first_choice.longest_path if version.first_choice else 1
        chosen = _affordable(reading, engine.context_tokens - len(reading.prefix) - longest)
        prompts, suffixes = [prompts[place] for place in chosen], [reading.suffixes[place] for place in chosen]
        few = suffixes[:BASE_PROMPTS]
        tick = _ticks(4 * len(suffixes) + 3 * len(few), progress)
        ask = partial(served_logprobs, engine.model, prefix=reading.prefix, threads=threads, tick=tick)
        exact, exact_base = ask(loras, suffixes=suffixes, exact=True), ask([], suffixes=few, exact=True)
        again = ask(loras, suffixes=few)
        exact_answers = decide(engine, version, prompts, tick)

    reference = Reference(bases.weights, [(pair.folder, pair.scale) for pair in adapters], threads=threads)
    trained = reference.logprobs(reading.prefix, suffixes, tick=tick)
    trained_base = reference.logprobs(reading.prefix, few, plain=True, tick=tick)
    del reference
    sides = _Sides(*map(_centred, (trained, exact, trained_base, exact_base, again)))
    _require_same_base(sides)
    # Written so that a figure that is not a number is a failure.
    if not sides.export_error <= sides.limit:
        raise _wrong_export(sides, tokenizer, prompts, trained, exact)

    with closing(Engine(bases.gguf, threads=threads, context_tokens=context_tokens)) as engine:
        served_answers = decide(engine, _prepared(engine, contract, adapters), prompts, tick)
    decisions = compare(prompts, exact_answers, served_answers)
    return Parity(
        **vars(decisions),
        n=len(prompts),
        base_error=sides.base_error,
        export_error=sides.export_error,
        limit=sides.limit,
        noise=sides.noise,
        effect=sides.effect,
        strength=sides.strength,
    )


class _Sides(NamedTuple):
    """Centred logits (prompts, vocabulary); those after `exact` are of the first prompts only."""

    trained: Logits
    exact: Logits
    trained_base: Logits
    exact_base: Logits
    again: Logits

    @property
    def base_error(self) -> float:
        return _spread(self.trained_base - self.exact_base)

    @property
    def export_error(self) -> float:
        return _spread(self.trained - self.exact)

    @property
    def effect(self) -> float:
        return _spread(self.trained[: len(self.trained_base)] - self.trained_base)

    @property
    def noise(self) -> float:
        return _spread(self.exact[: len(self.again)] - self.again)

    @property
    def limit(self) -> float:
        return TIMES_THE_NOISE * max(self.base_error, self.noise) + SHARE_OF_EFFECT * self.effect

    @property
    def strength(self) -> float:
        """Least-squares factor of the trained effect in the exported one."""
        few = len(self.trained_base)
        moved, exported = self.trained[:few] - self.trained_base, self.exact[:few] - self.exact_base
        return float((moved * exported).sum()) / max(float((moved**2).sum()), 1e-12)


def _prepared(engine: Engine, contract: Contract, adapters: Sequence[AdapterPair]) -> Servable:
    return engine.prepare(contract, [LoraFile(digest_file(pair.gguf), pair.gguf, pair.scale) for pair in adapters])


def _affordable(reading: TokenizedPrompts, room: int) -> list[int]:
    """Places of the prompts that are asked: in their order while there are tokens left, and the two shortest anyway.

    Prompts longer than `room` can be asked nowhere.

    The reference reads some hundred tokens a second on an ordinary processor.
    """
    lengths = {place: len(suffix) for place, suffix in enumerate(reading.suffixes) if len(suffix) < room}
    if not lengths:
        raise InvalidInput("every example of the golden set is longer than the context of the base; add shorter ones")
    chosen = set(sorted(lengths, key=lengths.__getitem__)[:FEWEST])
    left = MOST_TOKENS - sum(lengths[place] for place in chosen)
    for place, length in lengths.items():
        if place not in chosen and length <= left:
            chosen.add(place)
            left -= length
    return sorted(chosen)


def _ticks(wanted: int, progress: Progress | None) -> Callable[[int], None]:
    """Adds up what the sides have done."""
    done = 0

    def tick(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, wanted)

    return tick


def _require_same_base(sides: _Sides) -> None:
    limit = SAME_MODEL * _spread(sides.trained_base)
    if not sides.base_error <= limit:
        raise Conflict(
            "weights and GGUF of the base are not the same model: without any adapter their logits are "
            f"{sides.base_error:.3f} nats apart, where rounding explains {limit:.3f}; register the base again from one "
            "revision, and train again",
            base_error=sides.base_error,
            limit=limit,
        )


def _wrong_export(
    sides: _Sides, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Prompt], trained: Logits, exact: Logits
) -> Conflict:
    by_prompt = np.sqrt(((sides.trained - sides.exact) ** 2).mean(axis=1))
    worst = [
        f"{prompts[place].name}: trained {_best(tokenizer, trained[place])}, "
        f"exported {_best(tokenizer, exact[place])}, {by_prompt[place]:.3f} nats"
        for place in np.argsort(-by_prompt, kind="stable")[:SHOWN]
    ]
    return Conflict(
        f"the exported adapter does not act like the trained one: over {len(prompts)} prompts its logits are "
        f"{sides.export_error:.3f} nats off, where rounding explains {sides.limit:.3f} (the base alone is "
        f"{sides.base_error:.4f} off, the engine's noise is {sides.noise:.4f}, the adapter moves it by "
        f"{sides.effect:.2f}); it has {sides.strength:.1%} of the trained strength. Most on {'; '.join(worst)}. Its "
        "scale, some of its tensors or its base are not those of the training: train again; if it fails again, "
        "register the base again",
        export_error=sides.export_error,
        limit=sides.limit,
        base_error=sides.base_error,
        noise=sides.noise,
        effect=sides.effect,
        strength=sides.strength,
        worst=worst,
    )


def _best(tokenizer: PreTrainedTokenizerBase, row: Logits) -> str:
    token = int(row.argmax())
    return f"{tokenizer.decode([token])!r} ({np.exp(row[token]):.1%})"


def _centred(rows: Logits) -> Logits:
    """Logits up to the constant that softmax ignores."""
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def _spread(rows: Logits) -> float:
    return float(np.sqrt((rows**2).mean()))
