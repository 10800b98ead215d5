"""The loop of the one scheduler: notifies workers of due jobs, then goes through its duties; only `stop` ends it."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from psycopg import Connection, connect

from tuneloop.kit.db import Database
from tuneloop.kit.jobs.duties import Duty, SetAside, perform
from tuneloop.kit.jobs.lease import LEASE
from tuneloop.kit.jobs.relay import CHANNEL, LOST_JOBS, Notify, notify_due

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 1.0
LONGEST_NOTIFY_PAUSE = 15.0
ADVISORY_LOCK = 7_318_264_152
NOTIFYING = "notify"


def schedule(
    database: Database,
    database_url: str,
    notify: Notify,
    duties: Sequence[Duty],
    stop: threading.Event,
    *,
    per_agency: int | None = None,
) -> None:
    """Act on every notice of a new job, and once a second in any case, until `stop`.

    Of several schedulers only the one that holds the advisory lock acts; it holds it as long as its connection.
    """
    notify_fairly = partial(notify_due, database, notify, per_agency=per_agency)
    while not stop.is_set():
        try:
            with connect(database_url, autocommit=True) as listener:
                listener.execute(f"listen {CHANNEL}")
                log.info("scheduler_ready")
                _rounds(database, listener, notify_fairly, duties, stop)
        except Exception as error:  # noqa: BLE001  (the process's edge: the database comes back, or somebody looks)
            log.warning("scheduler_waits", error=error)
            stop.wait(PAUSE_SECONDS)


def tick(database: Database, notify: Callable[[], object], duties: Sequence[Duty], aside: SetAside) -> None:
    """One round. What fails is set aside, and the rest goes on."""
    if NOTIFYING not in aside:
        with aside.on_failure(NOTIFYING, longest=LONGEST_NOTIFY_PAUSE):
            notify()
    for duty in duties:
        perform(database, duty, aside)


def _rounds(
    database: Database,
    listener: Connection,
    notify: Callable[[], object],
    duties: Sequence[Duty],
    stop: threading.Event,
) -> None:
    """Right after the database came back every lease has run out: workers get the time of one to be heard again."""
    aside, leads, began = SetAside(), False, time.monotonic()
    careful = [duty for duty in duties if duty is not LOST_JOBS]
    while not stop.is_set():
        leads = leads or _take_lead(listener)
        if leads:
            tick(database, notify, duties if time.monotonic() - began > LEASE.total_seconds() else careful, aside)
        for _ in listener.notifies(timeout=PAUSE_SECONDS, stop_after=1):
            pass


def _take_lead(listener: Connection) -> bool:
    row = listener.execute("select pg_try_advisory_lock(%s)", (ADVISORY_LOCK,)).fetchone()
    return bool(row and row[0])
