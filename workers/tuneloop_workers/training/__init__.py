"""LoRA training in a child process: a JSON spec in, JSON lines and a PEFT adapter folder out."""

import os

# Read when torch loads its OpenMP runtime. By default waiting threads spin, and where training shares its cores with
# serving that made a two-thread step seven times slower; asleep they cost a few microseconds each.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
