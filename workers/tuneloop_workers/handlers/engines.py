"""The serving engine inside a job, as the job's worker may use it."""

from contextlib import closing
from pathlib import Path

from tuneloop.kit.jobs.runtime import JobContext
from tuneloop_workers.serving.engine import Engine


def local_engine(context: JobContext, gguf: Path, *, context_tokens: int) -> closing[Engine]:
    """For a `with`: closed at its end, as two of them may not fit into memory."""
    return closing(Engine(gguf, threads=context.settings.cpu_threads, context_tokens=context_tokens))
