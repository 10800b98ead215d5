"""Runs one job: claim it, keep its lease alive, call its handler, record how it ended."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from structlog.typing import FilteringBoundLogger as BoundLogger

from tuneloop.kit.db import Database
from tuneloop.kit.error_report import describe
from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.jobs import (
    Claim,
    Job,
    LostLease,
    Queue,
    UnreadableJob,
    beat,
    claim,
    claim_next,
    enqueue,
    fail,
    fence,
    finish,
    put_off,
    release,
    wait,
)
from tuneloop.kit.jobs.lease import LEASE
from tuneloop.kit.jobs.retries import back_off, may_pass, wished_pause
from tuneloop.kit.principal import Principal
from tuneloop.kit.processes import ChildDied
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession

log = structlog.get_logger(__name__)

BEAT_SECONDS = 4.0
GRACE_SECONDS = 300.0


class Cancelled(RuntimeError):
    """Somebody asked to cancel the job."""


class Interrupted(RuntimeError):
    """This worker is shutting down; another one goes on."""


@dataclass
class JobContext:
    """What a handler works with. Its writes go through `unit`, which holds only while the job is ours."""

    database: Database
    storage: Storage
    settings: Settings
    held: Claim
    stopping: threading.Event
    _progress: dict[str, Any] = field(default_factory=dict)
    _sent: dict[str, Any] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lost: threading.Event = field(default_factory=threading.Event)
    _overdue: threading.Event = field(default_factory=threading.Event)
    _pulse: float = field(default_factory=time.monotonic)

    @property
    def agency_id(self) -> UUID:
        return self.held.agency_id

    @property
    def principal(self) -> Principal:
        return Principal.system(self.agency_id, "worker")

    @property
    def workspace_path(self) -> Path:
        return self.settings.data_dir.resolve() / "work" / str(self.held.job_id)

    @property
    def workspace(self) -> Path:
        """A folder of this job; it outlives a killed worker, so that the next one can go on, and goes with success."""
        self.workspace_path.mkdir(parents=True, exist_ok=True)
        return self.workspace_path

    @contextmanager
    def unit(self) -> Iterator[TenantSession]:
        """A transaction of the job's agency; raises LostLease when another worker has taken over."""
        with self.database.unit(self.agency_id) as session:
            fence(session, self.held)
            yield session

    @contextmanager
    def reading(self) -> Iterator[TenantSession]:
        with self.database.unit(self.agency_id) as session:
            yield session

    def report(self, **progress: Any) -> None:
        """Publish progress with the next heartbeat."""
        self._progress = progress

    def check(self) -> None:
        """Call it between pieces of work.

        Raises:
            LostLease, Cancelled, Interrupted, TimeoutError: the work should stop.
        """
        if time.monotonic() - self._pulse > LEASE.total_seconds():
            self._beat()  # this process was suspended; whose job it is now, only the database knows
        if self._lost.is_set():
            raise LostLease(str(self.held.job_id))
        if self._stop.is_set():
            raise Cancelled
        if self.stopping.is_set():
            raise Interrupted
        if self._overdue.is_set():
            raise TimeoutError(f"took longer than {self.held.job.time_limit_seconds} s")

    def keep_alive(self, over: threading.Event, every: float = BEAT_SECONDS) -> None:
        """Heartbeat until `over`; a database that is away for a moment is not a reason to stop.

        A job that does not stop long after its time is not vouched for: another worker gets it.
        """
        deadline = time.monotonic() + self.held.job.time_limit_seconds
        while not over.wait(every):
            if time.monotonic() > deadline:
                self._overdue.set()
            if time.monotonic() > deadline + GRACE_SECONDS:
                return
            try:
                self._beat()
                if self._lost.is_set():
                    return
            except Exception as error:  # noqa: BLE001  (an edge: the next beat may reach the database again)
                log.warning("heartbeat_failed", job=str(self.held.job_id), error=error)
            finally:
                self._pulse = time.monotonic()

    def _beat(self) -> None:
        progress = self._progress
        try:
            with self.database.all_agencies() as session:
                if beat(session, self.held, progress if progress != self._sent else None):
                    self._stop.set()
        except LostLease:
            self._lost.set()
        self._sent, self._pulse = progress, time.monotonic()


JobT = TypeVar("JobT", bound=Job)
Handler = Callable[[JobContext, Any], None]

_HANDLERS: dict[type[Job], Handler] = {}


def handles(job: type[JobT]) -> Callable[[Callable[[JobContext, JobT], None]], Callable[[JobContext, JobT], None]]:
    """Register the handler of a job class."""

    def register(handler: Callable[[JobContext, JobT], None]) -> Callable[[JobContext, JobT], None]:
        _HANDLERS[job] = handler
        return handler

    return register


@dataclass(frozen=True)
class Runtime:
    database: Database
    storage: Storage
    settings: Settings
    stopping: threading.Event = field(default_factory=threading.Event)
    beat_seconds: float = BEAT_SECONDS

    def run(self, job_id: UUID) -> None:
        """Do a job if it is free."""
        self._run(lambda session: claim(session, job_id, worker=self._name))

    def run_next(self, queue: Queue) -> bool:
        """Do the next job of a queue; returns whether there was one, so that there may be another."""
        if self.stopping.is_set():
            return False
        most = self.settings.jobs_per_agency or None
        return self._run(lambda session: claim_next(session, queue, worker=self._name, per_agency=most))

    @property
    def _name(self) -> str:
        return f"{socket.gethostname()}:{os.getpid()}"

    def _run(self, take: Callable[[TenantSession], Claim | None]) -> bool:
        """What may pass is waited for, other domain errors are final, and a crash is tried a few times."""
        try:
            with self.database.all_agencies() as session:
                held = take(session)
        except UnreadableJob as error:
            job_id = UUID(error.details["job_id"])
            log.warning("job_put_off", job_id=str(job_id), reason=error)
            with self.database.all_agencies() as session:
                put_off(session, job_id, error.message)
            return True
        if held is not None:
            self._do(held)
        return held is not None

    def _do(self, held: Claim) -> None:
        context = JobContext(self.database, self.storage, self.settings, held, self.stopping)
        over = threading.Event()
        heart = threading.Thread(target=context.keep_alive, args=(over, self.beat_seconds), daemon=True)
        heart.start()
        bound = log.bind(job=held.job.name, job_id=str(held.job_id), attempt=held.attempt)
        try:
            bound.info("job_started")
            _HANDLERS[type(held.job)](context, held.job)
            self._insist(lambda session: finish(session, held))
            shutil.rmtree(context.workspace_path, ignore_errors=True)
            bound.info("job_succeeded")
        except LostLease:
            bound.warning("job_lost")
        except Interrupted:
            bound.info("job_released")
            self._end(held, lambda session: release(session, held))
        except Exception as error:  # noqa: BLE001  (the worker's edge: log, record, let the next job run)
            self._end(held, self._meaning(held, error, bound))
        finally:
            over.set()
            heart.join()

    def _meaning(self, held: Claim, error: Exception, bound: BoundLogger) -> Callable[[TenantSession], Job | None]:
        """What becomes of a job that ended with this error."""
        ours = isinstance(error, TuneloopError | Cancelled)
        reason = (str(error) or "cancelled") if ours or isinstance(error, ChildDied) else describe(error)
        if may_pass(error):
            bound.warning("job_waits", reason=error)
            return lambda session: wait(session, held, reason, at_least=wished_pause(error))
        if ours:
            bound.warning("job_failed", reason=error)
        else:
            bound.error("job_crashed", exc_info=error)
        return lambda session: fail(session, held, reason, retry=not ours)

    def _end(self, held: Claim, write: Callable[[TenantSession], Job | None]) -> None:
        def with_follow_up(session: TenantSession) -> None:
            follow_up = write(session)
            if follow_up is not None:
                enqueue(session, follow_up, agency_id=held.agency_id, client_id=held.client_id)

        try:
            self._insist(with_follow_up)
        except LostLease:
            log.warning("job_lost", job_id=str(held.job_id))

    def _insist(self, write: Callable[[TenantSession], None]) -> None:
        """Record how a job ended. A database that is away is waited for: what was worked for hours is not done again.

        Raises:
            LostLease: another worker has the job, or what was written before the connection broke is there.
        """
        for failures in count(1):
            try:
                with self.database.all_agencies() as session:
                    write(session)
            except (OperationalError, InterfaceError) as error:
                log.warning("job_end_not_recorded", error=error)
                if self.stopping.wait(back_off(failures).total_seconds()):
                    raise
            else:
                return


_current: list[Runtime] = []


def install(runtime: Runtime) -> None:
    """Make this the process's runtime; the broker's actors find it here."""
    _current[:] = [runtime]


def current_runtime() -> Runtime:
    return _current[0]
