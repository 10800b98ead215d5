"""A process for files that nobody trusts: without secrets, network, or more memory and time than they deserve.

The child calls `confined` with what it does; the parent gets its answer, or the refusal that it raised.
"""

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson
from pydantic import BaseModel

from tuneloop.kit.errors import CorruptArtifact
from tuneloop.kit.processes import end_with_parent

Answer = TypeVar("Answer", bound=BaseModel)

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
DEADLINE_SECONDS = 1800.0


class Limits(NamedTuple):
    """`memory` of data and `file_bytes` of a file it writes, in bytes."""

    memory: int
    processor_seconds: int
    file_bytes: int


def run_confined(module: str, *arguments: str, answer: type[Answer]) -> Answer:
    """What `python -m module` answers.

    Raises:
        CorruptArtifact: it refused, or what it was given needed more than its limits.
    """
    with tempfile.TemporaryDirectory(prefix="tuneloop-confined-") as scratch:
        done = subprocess.run(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(scratch),
            cwd=scratch,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
    try:
        said: dict[str, Any] = orjson.loads(done.stdout)
    except orjson.JSONDecodeError:
        raise CorruptArtifact(
            "the file needs more memory or time than an honest one; save it again with the library that made it",
            code=done.returncode,
        ) from None
    if "refused" in said:
        raise CorruptArtifact(said["refused"], **said["details"])
    return answer.model_validate(said["answer"])


def confined(limits: Limits, work: Callable[[], BaseModel]) -> None:
    """In the child: do the work within the limits and say on standard output what came of it."""
    end_with_parent()
    _leave_the_network()
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.processor_seconds, limits.processor_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        said: dict[str, Any] = {"answer": work().model_dump(mode="json")}
    except CorruptArtifact as error:
        said = {"refused": error.message, "details": error.details}
    sys.stdout.buffer.write(orjson.dumps(said, default=str))


def _leave_the_network() -> None:
    """Into a network of its own without interfaces, where the kernel allows it."""
    libc = ctypes.CDLL(None, use_errno=True)
    for flags in (CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWNET):
        if libc.unshare(flags) == 0:
            return


def _environment(scratch: str) -> dict[str, str]:
    """What Python needs, and nothing that is a secret."""
    paths = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry)
    return {"PATH": "/usr/bin:/bin", "HOME": scratch, "TMPDIR": scratch, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
