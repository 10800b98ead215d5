"""The engine's thread: the only one that touches it, fed by a queue of bounded length."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple, TypeVar

import structlog

from tuneloop.kit.errors import TuneloopError, Unavailable
from tuneloop.registry.templates import Message
from tuneloop_workers.serving.answer import Delta, EngineAnswer
from tuneloop_workers.serving.decoding import Options
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.servable import Servable

log = structlog.get_logger(__name__)

T = TypeVar("T")
Event = Delta | EngineAnswer | TuneloopError | None
Deliver = Callable[[Event], None]
"""Called in the engine's thread: deltas, then an answer, an error, or None for a warmed version. Must not block."""


class QueueFull(TuneloopError):
    """More requests are waiting than this host promises to answer in time."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "rate_limit_exceeded"
    transient = True


class PendingRequest:
    """One request between its caller and the engine; only the engine's thread changes it."""

    def __init__(self, deliver: Deliver) -> None:
        self.deliver = deliver
        self.ticket = 0
        self.over = False


class _Command(NamedTuple):
    run: Callable[[Engine], None]
    abort: Callable[[TuneloopError], None]


class Dispatcher:
    """Runs an engine in a thread of its own; at most `limit` requests are unfinished at any time."""

    def __init__(self, build: Callable[[], Engine], *, limit: int) -> None:
        self._build = build
        self._limit = limit
        self._commands: SimpleQueue[_Command | None] = SimpleQueue()
        self._running: dict[int, PendingRequest] = {}
        self._open = 0
        self._lock = Lock()
        self._closed = False
        self._started: Future[str] = Future()
        self._thread = Thread(target=self._live, name="engine", daemon=True)

    def start(self) -> None:
        """Loads the base. Raises what the engine raises."""
        self._thread.start()
        self._started.result()

    @property
    def identity(self) -> str:
        """The engine's, once started."""
        return self._started.result()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closed

    def stop(self) -> None:
        """Ends the thread after its current decode; unfinished requests get an error."""
        self._commands.put(None)
        self._thread.join()

    def call(self, work: Callable[[Engine], T]) -> Future[T]:
        """Runs a short piece of work between two decodes."""
        result: Future[T] = Future()

        def run(engine: Engine) -> None:
            if result.set_running_or_notify_cancel():
                try:
                    result.set_result(work(engine))
                except TuneloopError as problem:
                    result.set_exception(problem)

        self._put(_Command(run, result.set_exception))
        return result

    def ask(
        self, version: Servable, messages: Sequence[Message], options: Options, deliver: Deliver, *, stream: bool
    ) -> PendingRequest:
        """Queues a request. Raises QueueFull at the limit, Unavailable when the engine has died."""
        on_delta = deliver if stream else None
        return self._begin(lambda engine: engine.submit(version, messages, options, on_delta), deliver)

    def warm(self, version: Servable, deliver: Deliver) -> PendingRequest:
        """Makes a version ready to answer at once. Raises what `ask` raises."""
        return self._begin(lambda engine: engine.warm(version), deliver)

    def cancel(self, question: PendingRequest) -> None:
        """Frees what a request holds; one that is over is left alone."""

        def run(engine: Engine) -> None:
            if not question.over:
                engine.cancel(question.ticket)
                self._end(question)

        self._commands.put(_Command(run, lambda _: None))

    def _begin(self, submit: Callable[[Engine], int], deliver: Deliver) -> PendingRequest:
        question = PendingRequest(deliver)

        def run(engine: Engine) -> None:
            try:
                question.ticket = submit(engine)
            except TuneloopError as problem:
                abort(problem)
            else:
                self._running[question.ticket] = question

        def abort(problem: TuneloopError) -> None:
            self._end(question)
            deliver(problem)

        with self._lock:
            if self._open >= self._limit:
                raise QueueFull(
                    f"{self._open} requests are waiting already; try again in a second", retry_after_seconds=1
                )
            self._open += 1
        self._put(_Command(run, abort))
        return question

    def _put(self, command: _Command) -> None:
        with self._lock:
            if not self._closed:
                self._commands.put(command)
                return
        command.abort(_stopped())

    def _end(self, question: PendingRequest) -> None:
        question.over = True
        self._running.pop(question.ticket, None)
        with self._lock:
            self._open -= 1

    def _live(self) -> None:
        try:
            engine = self._build()
        except Exception as problem:  # noqa: BLE001  (the thread's edge: the caller of start() gets it)
            self._closed = True
            self._started.set_exception(problem)
            return
        self._started.set_result(engine.identity)
        try:
            self._serve(engine)
        except Exception:
            log.exception("engine_died")
        finally:
            self._close()
            engine.close()

    def _serve(self, engine: Engine) -> None:
        while True:
            while not (engine.unfinished and self._commands.empty()):
                command = self._commands.get()
                if command is None:
                    return
                command.run(engine)
            for ticket, outcome in engine.step():
                if question := self._running.get(ticket):
                    self._end(question)
                    question.deliver(outcome)

    def _close(self) -> None:
        with self._lock:
            self._closed = True
        for question in list(self._running.values()):
            self._end(question)
            question.deliver(_stopped())
        while True:
            try:
                command = self._commands.get_nowait()
            except Empty:
                return
            if command:
                command.abort(_stopped())


def _stopped() -> Unavailable:
    return Unavailable("the engine has stopped; try again when the serving host is up", retry_after_seconds=2)
