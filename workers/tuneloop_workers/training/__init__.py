"""LoRA training in a child process: a JSON spec in, JSON lines and a PEFT adapter folder out."""

import os

from tuneloop.kit.openmp import BRIEF_SPIN

# Read when torch loads its OpenMP runtime.
os.environ.setdefault("GOMP_SPINCOUNT", BRIEF_SPIN)
