"""A running installation whose parts can be killed, suspended and looked at, with a model that is deployed."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from redis import Redis

from tests.gateway.waiting import eventually
from tests.support.running import LABELS, Running, items, running_with_tiny_base
from tuneloop_local.demo.api import LiveTraffic
from tuneloop_workers.training import child

PATIENCE = 600.0
GPU = ("worker", "--queues", "gpu")
SLOW = ("worker", "--queues", "slow")
DEFAULT = ("worker", "--queues", "quick", "--queues", "default")


@dataclass
class Faulty:
    """Everything that a case kills or asks; `running` is the installation as its users see it."""

    running: Running
    _models: int = field(default=0)

    def model(self, *, deployed: bool = False) -> str:
        """Path of a new model with checked examples; always the same ones."""
        operator, path = self.running.operator, self.bare_model()
        operator.upload(f"{path}/examples", items(LABELS, range(20)), pool="training")
        operator.upload(f"{path}/examples", items(LABELS, range(20, 32)), pool="golden")
        operator.checked(path)
        if deployed:
            self.promoted(self.trained(path))
        return path

    def bare_model(self) -> str:
        """One without examples."""
        self._models += 1
        slug = f"model-{self._models}"
        contract = {"task": "classify", "system_prompt": "Sort the message.", "labels": list(LABELS)}
        self.running.operator.post("/api/v1/models/acme", {"slug": slug, "base": "tiny", "contract": contract})
        return f"/api/v1/models/acme/{slug}"

    def proposed(self, path: str, **recipe: Any) -> dict[str, Any]:
        wanted = {"method": "from_base", "epochs": 1, "further_attempts": 0} | recipe
        proposal: dict[str, Any] = self.running.operator.post(f"{path}/cycles", {"recipe": wanted, "again": True})
        return proposal

    def approved(self, cycle: dict[str, Any]) -> str:
        """The id of the job that the approval began."""
        digest = cycle["questions"][0]["subject_digest"]
        answer = self.running.operator.post(f"/api/v1/cycles/{cycle['id']}/approve", {"digest": digest})
        return str(answer["job_id"])

    def trained(self, path: str, **recipe: Any) -> dict[str, Any]:
        cycle = self.proposed(path, **recipe)
        self.approved(cycle)
        return self.ended(cycle)

    def ended(self, cycle: dict[str, Any]) -> dict[str, Any]:
        return self.running.operator.follow(str(cycle["id"]), lambda *_: None)

    def promoted(self, cycle: dict[str, Any]) -> dict[str, Any]:
        body = {"digest": cycle["candidate_digest"], "note": "the test promotes whatever the gate says"}
        self.running.operator.post(f"/api/v1/cycles/{cycle['id']}/promote", body)
        return self.ended(cycle)

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.running.operator.get(f"/api/v1/jobs/{job_id}")
        return found

    def until_step(self, job_id: str, step: int) -> None:
        """Wait until the job's trainer has done so many steps, or the job is over."""
        self.until(lambda: self.job(job_id)["progress"].get("step", -1) >= step or self.over(job_id))

    def until_running(self, job_id: str) -> None:
        self.until(lambda: self.job(job_id)["state"] == "running")

    def until_over(self, job_id: str) -> None:
        self.until(lambda: self.over(job_id))

    def until_settled(self, cycle: dict[str, Any]) -> None:
        """Until the cycle has heard that its job was cancelled."""
        path = f"/api/v1/cycles/{cycle['id']}"
        self.until(lambda: self.running.operator.get(path)["state"] in ("failed", "cancelled", "rejected"))

    def until_training(self, job_id: str) -> None:
        """Until a trainer runs, or the job is over."""
        self.until(lambda: self.trainers() or self.over(job_id))

    def over(self, job_id: str) -> bool:
        return self.job(job_id)["state"] not in ("queued", "running")

    def until(self, condition: Callable[[], object]) -> None:
        eventually(lambda: bool(condition()) or None, within=PATIENCE)

    def trainers(self) -> list[int]:
        """Processes that train for this installation."""
        return [pid for pid, command in _processes() if child.__name__ in command and self._folder in command]

    def kill_trainers(self) -> int:
        """How many were killed."""
        found = self.trainers()
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(found)

    def kill_postgres(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """At once, without a checkpoint; the supervisor starts it again."""
        note = Path(self._folder) / "postgres" / "postmaster.pid"
        os.kill(int(note.read_text().splitlines()[0]), number)

    def kill_broker(self) -> None:
        with Redis.from_url(self.running.settings.broker_url) as broker:
            os.kill(broker.info("server")["process_id"], signal.SIGKILL)

    def empty_broker(self) -> None:
        """It forgets all that it was told."""
        with Redis.from_url(self.running.settings.broker_url) as broker:
            broker.flushall()

    @contextmanager
    def suspended(self, *command: str) -> Iterator[int]:
        """One process of the installation does nothing while the block runs."""
        pid = self.running.supervisor.pid(*command)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield pid
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def owner(self) -> Iterator["psycopg.Connection[Any]"]:
        with psycopg.connect(self.running.settings.migration_url, autocommit=True) as connection:
            yield connection

    def answers(self) -> bool:
        """The database, and the API with it."""
        try:
            self.count("select 1")
        except psycopg.OperationalError:
            return False
        url = f"{self.running.settings.web_url}/readyz"
        return bool(httpx.get(url, timeout=30).json().get("database") == "up")

    def count(self, query: str, *values: Any) -> int:
        """One number of the database, read past both walls."""
        with self.owner() as connection:
            row = connection.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])

    def traffic(self) -> LiveTraffic:
        return LiveTraffic(self.running.app, items(LABELS, range(60, 70)))

    @property
    def _folder(self) -> str:
        return str(self.running.settings.data_dir.resolve())


def _processes() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            yield int(folder.name), command


def pause(seconds: float) -> None:
    """A moment chosen at random lies this far ahead."""
    threading.Event().wait(seconds)


@contextmanager
def faulty(folder: Path, **settings: Any) -> Iterator[Faulty]:
    """With `acme/support` in production."""
    with running_with_tiny_base(folder, **settings) as running:
        site = Faulty(running)
        operator, path = running.operator, running.path
        operator.upload(f"{path}/examples", items(LABELS, range(20)), pool="training")
        operator.upload(f"{path}/examples", items(LABELS, range(20, 32)), pool="golden")
        operator.checked(path)
        site.promoted(site.trained(path))
        yield site
