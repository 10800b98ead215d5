"""The web process itself, as `tuneloop web` starts it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneloop.kit.settings import Settings
from tuneloop_local.installation import environment_of, wait_ready


class WebProcess:
    """`pids`: of the process that listens and of those that answer."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    @property
    def pids(self) -> list[int]:
        return [self.pid, *_children(self.pid)]

    @property
    def peak_bytes(self) -> int:
        """The most memory that its processes have ever held, together."""
        return sum(_status(pid, "VmHWM") for pid in self.pids) << 10


@contextmanager
def web_process(settings: Settings) -> Iterator[WebProcess]:
    command = [sys.executable, "-m", "tuneloop.cli.main", "web"]
    process = subprocess.Popen(command, env={**os.environ, **environment_of(settings)}, stdout=subprocess.DEVNULL)
    try:
        wait_ready(f"{settings.web_url}/healthz")
        yield WebProcess(settings.web_url, process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
