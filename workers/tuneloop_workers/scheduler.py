"""The one scheduler: rings for due jobs, takes expired leases back, and makes work due by the calendar."""

import threading
from functools import partial

import structlog
from psycopg import OperationalError as ListenError
from psycopg import connect
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tuneloop.datasets.scanning import scan_waiting
from tuneloop.deployment.ab_reading import plan_readings
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.jobs import ring_due, sweep
from tuneloop.kit.jobs.relay import CHANNEL, Ring
from tuneloop.kit.settings import Settings
from tuneloop.monitoring.due import settle_labelled_bursts, start_due_tasks
from tuneloop.review.tending import begin_tending
from tuneloop_billing.rounds import make_due as make_billing_due
from tuneloop_workers.broker import make_broker, ring
from tuneloop_workers.signals import stop_on_signals

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
ADVISORY_LOCK = 7_318_264_152


def run_scheduler(settings: Settings) -> None:
    """Works until SIGTERM. Of several schedulers only the one that holds the advisory lock acts."""
    broker = make_broker(settings.broker_url)
    database = Database(make_engine(settings.database_url, pool_size=1))
    schedule(database, settings.database_url, partial(ring, broker), stop_on_signals())


def schedule(database: Database, database_url: str, ring: Ring, stop: threading.Event) -> None:
    """Act on every notice of a new job, and once a second in any case, until `stop`."""
    while not stop.is_set():
        try:
            with connect(database_url, autocommit=True) as listener:
                listener.execute(f"listen {CHANNEL}")
                while not stop.is_set():
                    tick(database, ring)
                    for _ in listener.notifies(timeout=PAUSE_SECONDS, stop_after=1):
                        pass
        except (ListenError, SQLAlchemyError, ConnectionError) as error:
            log.warning("scheduler_waits", error=str(error))
            stop.wait(PAUSE_SECONDS)


def tick(database: Database, ring: Ring) -> None:
    """One round of all duties, in one transaction."""
    with database.all_agencies() as session:
        if not session.execute(text("select pg_try_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK}).scalar():
            return
        sweep(session)
        start_due_tasks(session)
        settle_labelled_bursts(session)
        begin_tending(session)
        plan_readings(session)
        scan_waiting(session)
        make_billing_due(session)
        ring_due(session, ring)
