"""`python -m tests.support.trainer_s_worker SPEC.json`: starts a trainer and tells of it in lines.

The first is its process id; one more comes with each of its steps.
"""

import subprocess
import sys

trainer = subprocess.Popen(
    [sys.executable, "-m", "tuneloop_workers.training.child", sys.argv[1]],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
)
assert trainer.stdout is not None
print(trainer.pid, flush=True)
for line in trainer.stdout:
    if b'"progress"' in line:
        print("works", flush=True)
