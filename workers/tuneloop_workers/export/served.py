"""Next-token distributions of the GGUF files that ship; the counterpart of `reference`."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneloop_workers.llama import Context, Logits, Model, Rows

BATCH_TOKENS = 256


class ScaledAdapter(NamedTuple):
    """A GGUF LoRA and the scale it is applied with."""

    path: Path
    scale: float = 1.0


def served_logprobs(
    model: Model,
    adapters: Sequence[ScaledAdapter],
    prefix: Sequence[int],
    suffixes: Sequence[Sequence[int]],
    *,
    threads: int = 1,
    exact: bool = False,
    tick: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Log-probabilities after prefix + suffix, (suffixes, vocabulary); the prefix is evaluated once.

    `tick` hears of every suffix that is answered, and of 0 in between; what it raises ends the work.
    """
    cells = len(prefix) + max(map(len, suffixes))
    batch = min(cells, BATCH_TOKENS)
    loaded = [(model.load_adapter(adapter.path), adapter.scale) for adapter in adapters]
    try:
        with closing(
            model.context(threads=threads, cells=cells, sequences=1, batch_tokens=batch, exact=exact)
        ) as context:
            context.apply(loaded)
            _read(context, 0, prefix, tick)
            answers = []
            for suffix in suffixes:
                context.cut(0, len(prefix))
                answers.append(_log_softmax(_read(context, len(prefix), suffix, tick)))
                if tick is not None:
                    tick(1)
    finally:
        for handle, _ in loaded:
            model.free_adapter(handle)
    return np.stack(answers)


def _read(context: Context, position: int, tokens: Sequence[int], tick: Callable[[int], None] | None) -> Logits:
    """Logits after the last token; read in pieces, so that a long prompt needs little memory and can be given up."""
    logits: dict[int, Logits] = {}
    for start in range(0, len(tokens), BATCH_TOKENS):
        part = tokens[start : start + BATCH_TOKENS]
        logits = context.decode([Rows(0, position + start, part, last_logits=start + len(part) == len(tokens))])
        if tick is not None:
            tick(0)
    return logits[0]


def _log_softmax(logits: Logits) -> NDArray[np.float32]:
    shifted = logits - logits.max()
    total = np.log(np.exp(shifted).sum(dtype=np.float64))
    return np.asarray(shifted - total, dtype=np.float32)
