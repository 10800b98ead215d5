"""`python -m tuneloop_workers.export.import_adapter FOLDER BASE OUT`: a LoRA from elsewhere, written again by us.

What came from outside is read by this confined process alone; everything after it sees only what it has written.
"""

import sys
from pathlib import Path

import numpy as np

from tuneloop.kit.confined import Limits, confined, run_confined
from tuneloop.kit.errors import CorruptArtifact
from tuneloop.registry.adapters.folder import AdapterFacts, facts_of, open_folder
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.export.adapter import AdapterTensors, Factors, write_folder
from tuneloop_workers.export.validate import linear_shapes, read_adapter

LIMITS = Limits(memory=24 << 30, processor_seconds=900, file_bytes=16 << 30)


def rewrite_adapter(folder: Path, base_gguf: Path, out: Path) -> AdapterFacts:
    """Writes `out` as a PEFT folder of ours; the update of every layer is that of `folder`.

    Raises:
        CorruptArtifact: the adapter does not fit the base, and what to do.
    """
    module = "tuneloop_workers.export.import_adapter"
    return run_confined(module, str(folder), str(base_gguf), str(out), answer=AdapterFacts)


def complete(adapter: AdapterTensors, base: GgufFile) -> AdapterTensors:
    """With factors for every linear layer, as we train them: those that were left out change nothing, but can learn."""
    random = np.random.default_rng(0)
    factors = {}
    for module, (rows, columns) in linear_shapes(base).items():
        factors[module] = adapter.factors.get(module) or Factors(
            random.normal(0.0, columns**-0.5, (adapter.rank, columns)).astype(np.float32),
            np.zeros((rows, adapter.rank), np.float32),
        )
    return AdapterTensors(adapter.alpha, adapter.rank, factors)


def main() -> None:
    folder, base_gguf, out = map(Path, sys.argv[1:])

    def work() -> AdapterFacts:
        base = GgufFile.open(base_gguf)
        adapter = read_adapter(folder, base)
        if not any(factors.b.any() for factors in adapter.factors.values()):
            raise CorruptArtifact("the adapter changes nothing: all its B factors are zero; was it trained at all?")
        write_folder(complete(adapter, base), out)
        return facts_of(open_folder(folder))

    confined(LIMITS, work)


if __name__ == "__main__":
    main()
