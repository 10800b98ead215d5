"""A piece of a job in a process of its own: for libraries that are large, or hold the interpreter for long."""

import os
import subprocess
import sys
import time

from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.processes import ChildDied, how_it_ended

PAUSE_SECONDS = 0.2


def run_child(context: JobContext, module: str, given: bytes) -> bytes:
    """What `python -m MODULE` writes to stdout for `given` on stdin; a job that has to stop kills it.

    Raises:
        LostLease, Cancelled, Interrupted, TimeoutError: as `JobContext.check`.
        ChildDied: it failed.
    """
    request, answer = context.workspace / "request", context.workspace / "answer"
    request.write_bytes(given)
    with request.open("rb") as stdin, answer.open("wb") as stdout:
        child = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", module], stdin=stdin, stdout=stdout, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        try:
            while child.poll() is None:
                context.check()
                time.sleep(PAUSE_SECONDS)
        except BaseException:
            child.kill()
            child.wait()
            raise
    if child.returncode:
        raise ChildDied(f"{module} {how_it_ended(child.returncode)}")
    return answer.read_bytes()
