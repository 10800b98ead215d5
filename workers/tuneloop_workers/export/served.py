"""Next-token distributions of the GGUF files that ship; the counterpart of `reference`."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneloop_workers.llama import Logits, Model, Rows


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
) -> NDArray[np.float32]:
    """Log-probabilities after prefix + suffix, (suffixes, vocabulary); the prefix is evaluated once."""
    cells = len(prefix) + max(map(len, suffixes))
    loaded = [(model.load_adapter(adapter.path), adapter.scale) for adapter in adapters]
    with closing(model.context(threads=threads, cells=cells, sequences=1, batch_tokens=cells, exact=exact)) as context:
        context.apply(loaded)
        context.decode([Rows(0, 0, prefix, last_logits=False)])
        answers = []
        for suffix in suffixes:
            context.cut(0, len(prefix))
            answers.append(_log_softmax(context.decode([Rows(0, len(prefix), suffix, last_logits=True)])[0]))
    for handle, _ in loaded:
        model.free_adapter(handle)
    return np.stack(answers)


def _log_softmax(logits: Logits) -> NDArray[np.float32]:
    shifted = logits - logits.max()
    total = np.log(np.exp(shifted).sum(dtype=np.float64))
    return np.asarray(shifted - total, dtype=np.float32)
