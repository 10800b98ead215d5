"""Does the file that ships answer like the model that was trained? Both sides' next-token distributions, compared.

One side is the Hugging Face base with its PEFT adapters in F32, the other llama.cpp with the base GGUF and the GGUF
LoRAs, on the same prompts and the same token ids. The shared prefix of all prompts is evaluated once per side.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import AutoTokenizer

from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.registry.contract import Contract
from tuneloop.registry.templates import Message, render, tokenise
from tuneloop_workers.bases.tokenizers import beginning, encode
from tuneloop_workers.export.reference import reference_logprobs
from tuneloop_workers.export.served import ScaledAdapter, served_logprobs
from tuneloop_workers.llama import Model

PLAUSIBLE = 0.01
LEAD = 0.5
"""Nats by which a token leads clearly: the largest difference that serving an untrained Q4_K_M base made was 0.47."""


class AdapterPair(NamedTuple):
    """One adapter in both forms, and the scale it is applied with."""

    folder: Path
    gguf: Path
    scale: float = 1.0


@dataclass(frozen=True)
class Parity:
    """`n` prompts, on `same_top` of which both sides prefer the same token.

    On `clear` of them the trained side prefers its token by at least `LEAD`, on `clear_same` of these the served side
    prefers it too; where two tokens are nearly as likely, rounding may choose either.

    Differences of log-probability (nats) are taken over the tokens to which either side gives at least 1 %.
    `token_mismatches` counts prompts that the two tokenizers read differently; must be 0.
    """

    n: int
    same_top: int
    clear: int
    clear_same: int
    mean_abs_logprob_difference: float
    max_abs_logprob_difference: float
    token_mismatches: int


@dataclass(frozen=True)
class Tolerance:
    """Defaults are twice what llama.cpp's 8-bit activations alone cost an untrained Q4_K_M base of 270 M parameters.

    There the mean was 0.08 and the maximum 0.47; with the same base in F16 they were 0.004 and 0.016.
    """

    clear_same_share: float = 0.9
    mean_abs_logprob_difference: float = 0.16
    max_abs_logprob_difference: float = 1.0


class _Prompts(NamedTuple):
    prefix: list[int]
    suffixes: list[list[int]]
    mismatches: int


def parity(
    weights: Path,
    adapters: Sequence[AdapterPair],
    base_gguf: Path,
    contract: Contract,
    conversations: Sequence[Sequence[Message]],
    *,
    threads: int = 1,
) -> Parity:
    if not conversations:
        raise InvalidInput("a parity check needs at least one conversation; add some to the golden set")
    with closing(Model(base_gguf)) as model:
        prompts = _tokenised(weights, contract, conversations, model)
        loras = [ScaledAdapter(adapter.gguf, adapter.scale) for adapter in adapters]
        served = served_logprobs(model, loras, prompts.prefix, prompts.suffixes, threads=threads)
    folders = [(adapter.folder, adapter.scale) for adapter in adapters]
    trained = reference_logprobs(weights, folders, prompts.prefix, prompts.suffixes, threads=threads)
    return _compare(trained, served, prompts.mismatches)


def check(result: Parity, tolerance: Tolerance) -> None:
    """Raises Conflict with the figures when the two sides differ by more than is tolerable."""
    if (
        result.token_mismatches
        or result.clear_same < tolerance.clear_same_share * result.clear
        or result.mean_abs_logprob_difference > tolerance.mean_abs_logprob_difference
        or result.max_abs_logprob_difference > tolerance.max_abs_logprob_difference
    ):
        raise Conflict(
            f"the exported adapter does not answer like the trained one: same answer on {result.clear_same} of "
            f"{result.clear} clear prompts, |Δ log p| mean {result.mean_abs_logprob_difference:.3f} and max "
            f"{result.max_abs_logprob_difference:.3f}, {result.token_mismatches} prompts tokenised differently; "
            "check that base, weights and template belong together",
            **asdict(result),
        )


def _tokenised(weights: Path, contract: Contract, conversations: Sequence[Sequence[Message]], model: Model) -> _Prompts:
    tokenizer = AutoTokenizer.from_pretrained(weights, trust_remote_code=False)
    prompts = [render(contract, conversation) for conversation in conversations]

    def ours(text: str, special: bool) -> list[int]:
        return encode(tokenizer, text, special)

    prefix = beginning(tokenizer) + tokenise(prompts[0].prefix, ours)
    suffixes = [tokenise(prompt.suffix, ours) for prompt in prompts]
    served_prefix = list(model.start) + tokenise(prompts[0].prefix, model.encode)
    served_suffixes = [tokenise(prompt.suffix, model.encode) for prompt in prompts]
    mismatches = sum(
        prefix + suffix != served_prefix + served for suffix, served in zip(suffixes, served_suffixes, strict=True)
    )
    return _Prompts(prefix, suffixes, mismatches)


def _compare(trained: NDArray[np.float32], served: NDArray[np.float32], mismatches: int) -> Parity:
    plausible = np.maximum(trained, served) >= np.log(PLAUSIBLE)
    differences = np.abs(trained - served)[plausible]
    same = trained.argmax(axis=1) == served.argmax(axis=1)
    second, best = np.sort(trained, axis=1)[:, -2:].T
    clear = best - second >= LEAD
    return Parity(
        n=len(trained),
        same_top=int(same.sum()),
        clear=int(clear.sum()),
        clear_same=int((same & clear).sum()),
        mean_abs_logprob_difference=float(differences.mean()) if differences.size else 0.0,
        max_abs_logprob_difference=float(differences.max()) if differences.size else 0.0,
        token_mismatches=mismatches,
    )
