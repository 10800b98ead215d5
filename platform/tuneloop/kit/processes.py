"""Processes that outlive what they were started for: how they end with it, and how they are told apart."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
WITH_PARENT = {"TUNELOOP_ENDS_WITH_PARENT": "1"}
"""Environment of a process that is to `end_with_parent`, wherever it is started from."""


class ChildDied(RuntimeError):
    """A process that a job had started ended without saying why. The message is for people."""


def end_with_parent() -> None:
    """Get SIGTERM when whoever started this process ends, however that happens (Linux; nothing elsewhere)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end_with_parent_if_asked() -> None:
    if WITH_PARENT.items() <= os.environ.items():
        end_with_parent()


def how_it_ended(code: int) -> str:
    """A child's exit code in words for people: SIGKILL from outside is mostly the kernel's, for want of memory."""
    if code == -signal.SIGKILL:
        return "was ended by the system, most likely because memory was short"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def exists(pid: int) -> bool:
    """Whether there is a process with this id, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def identity_of(pid: int) -> str | None:
    """Names a process of this machine for good: its id is given out again, but not with the same moment of start.

    None where there is no such process, or no /proc to look it up in (proc_pid_stat(5), field 22).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None
    return f"{boot} {pid} {started}"


def kill_if_it_is(identity: str) -> None:
    """SIGKILL to the process of this identity; nothing if it has ended or runs on another machine."""
    _, _, rest = identity.partition(" ")
    pid = rest.partition(" ")[0]
    if pid.isdigit() and identity_of(int(pid)) == identity:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
