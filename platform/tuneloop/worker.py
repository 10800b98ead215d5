"""The worker's process: jobs of its queues, and no handler of others."""

from collections.abc import Mapping, Sequence
from importlib import import_module

import structlog

from tuneloop.kit.health import health
from tuneloop.kit.jobs.broker import make_workers
from tuneloop.kit.jobs.housekeeping import housekeeping
from tuneloop.kit.jobs.job import Queue
from tuneloop.kit.settings import Settings
from tuneloop.kit.signals import stop_on_signals

log = structlog.get_logger(__name__)

SHUTDOWN_MS = 60_000

HANDLERS: Mapping[Queue, Sequence[str]] = {
    Queue.QUICK: (
        "tuneloop.ab_tests.handlers",
        "tuneloop.deployment.handlers",
        "tuneloop.email.handlers",
        "tuneloop.retraining.handlers",
        "tuneloop.shadow_tests.handlers",
        "tuneloop_billing.handlers",
    ),
    Queue.DEFAULT: (
        "tuneloop.ab_tests.handlers",
        "tuneloop.email.handlers",
        "tuneloop.monitoring.external_handlers",
        "tuneloop.monitoring.handlers",
        "tuneloop.people.handlers",
        "tuneloop.retraining.handlers",
        "tuneloop.review.handlers",
        "tuneloop.shadow_tests.handlers",
        "tuneloop_billing.handlers",
        "tuneloop_reports.handlers",
    ),
    Queue.SLOW: (
        "tuneloop.erasure.handlers",
        "tuneloop.evaluation.handlers",
        "tuneloop.monitoring.external_handlers",
        "tuneloop.monitoring.handlers",
        "tuneloop.retention.handlers",
        "tuneloop.review.handlers",
        "tuneloop_billing.handlers",
        "tuneloop_reports.handlers",
        "tuneloop_workers.handlers.scan_examples",
    ),
    Queue.GPU: (
        "tuneloop.erasure.handlers",
        "tuneloop_workers.handlers.adding_bases",
        "tuneloop_workers.handlers.canary",
        "tuneloop_workers.handlers.disagreement",
        "tuneloop_workers.handlers.evaluation",
        "tuneloop_workers.handlers.registering",
        "tuneloop_workers.handlers.importing",
        "tuneloop_workers.handlers.training",
    ),
    Queue.CHAT: ("tuneloop_bot.handlers",),
}
"""Modules whose import registers the handlers of a queue's jobs; each needs the libraries of its queue's extra only."""


def load_handlers(*queues: Queue) -> None:
    for queue in queues:
        for module in HANDLERS[queue]:
            import_module(module)


def run_worker(settings: Settings, queues: Sequence[Queue]) -> None:
    """Jobs of these queues, until SIGTERM; those that run are released with their checkpoints."""
    load_handlers(*queues)
    workers, runtime = make_workers(settings, queues)
    stop = stop_on_signals(runtime.stopping.set)
    database = runtime.database
    with (
        health(settings, database, ask_broker=workers.ask_broker),
        housekeeping(settings, database, runtime.storage),
    ):
        workers.start()
        log.info("worker_ready", queues=[str(queue) for queue in queues])
        stop.wait()
        workers.stop(timeout_ms=SHUTDOWN_MS)
