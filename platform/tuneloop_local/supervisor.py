"""Starts the processes of one installation, restarts those that die, stops them in order."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from tuneloop.kit.openmp import BRIEF_SPIN
from tuneloop.kit.processes import WITH_PARENT

log = structlog.get_logger(__name__)

STOP_SECONDS = 70.0
RESTART_SECONDS = 1.0


class Supervisor:
    """Runs `python -m tuneloop.cli.main ARGS` for each command; their output goes to one log file each.

    They end with this process, also where it is killed.
    """

    def __init__(self, commands: Sequence[Sequence[str]], environment: Mapping[str, str], logs: Path) -> None:
        self._commands = [tuple(command) for command in commands]
        self._environment = {"GOMP_SPINCOUNT": BRIEF_SPIN, **os.environ, **environment, **WITH_PARENT}
        self._logs = logs
        self._children: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}
        self._stopping = threading.Event()
        self._watchers: list[threading.Thread] = []

    def start(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        for command in self._commands:
            self._launch(command)
            watcher = threading.Thread(target=self._watch, args=(command,), daemon=True)
            watcher.start()
            self._watchers.append(watcher)

    def stop(self) -> None:
        """Ask every process to end, last started first, and kill what does not."""
        self._stopping.set()
        for child in reversed(self._children.values()):
            if child.poll() is None:
                child.terminate()
        for child in self._children.values():
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
            _end_group(child.pid)
        for watcher in self._watchers:
            watcher.join()

    def pid(self, *command: str) -> int:
        """Process id of the running command."""
        return self._children[command].pid

    def _launch(self, command: tuple[str, ...]) -> None:
        with self._log(command) as output:
            self._children[command] = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                [sys.executable, "-m", "tuneloop.cli.main", *command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _watch(self, command: tuple[str, ...]) -> None:
        while True:
            code = self._children[command].wait()
            if self._stopping.is_set():
                return
            log.error("process_died", process=" ".join(command), code=code)
            _end_group(self._children[command].pid)
            if self._stopping.wait(RESTART_SECONDS):
                return
            self._launch(command)

    def _log(self, command: tuple[str, ...]) -> BinaryIO:
        return (self._logs / f"{'-'.join(part.lstrip('-') for part in command)}.log").open("ab")


def _end_group(pid: int) -> None:
    """End what a dead process has started: a server's workers would go on answering, and keep its port."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
