"""The scheduler's process, and all that the calendar makes due."""

from functools import partial

from tuneloop.ab_tests.reading import READINGS
from tuneloop.datasets.scanning import SCANNING
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.health import health
from tuneloop.kit.jobs import LOST_JOBS
from tuneloop.kit.jobs.broker import make_broker, notify
from tuneloop.kit.jobs.metrics import publish_jobs
from tuneloop.kit.jobs.scheduler import schedule
from tuneloop.kit.settings import Settings
from tuneloop.kit.signals import stop_on_signals
from tuneloop.monitoring.scheduled_tasks import BASELINES, BURSTS, CALENDARS, ENDPOINTS, TASKS
from tuneloop.retention.scheduled_tasks import SWEEPING
from tuneloop.review.daily_refill import TENDING
from tuneloop.shadow_tests.reading import SHADOW_READINGS
from tuneloop_billing.daily_round import ROUNDS

DUTIES = (
    LOST_JOBS,
    CALENDARS,
    TASKS,
    BURSTS,
    ENDPOINTS,
    BASELINES,
    TENDING,
    READINGS,
    SHADOW_READINGS,
    SCANNING,
    ROUNDS,
    SWEEPING,
)


def run_scheduler(settings: Settings) -> None:
    """Works until SIGTERM."""
    broker = make_broker(settings.broker_url)
    database = Database(make_engine(settings.database_url, pool_size=2))
    per_agency = settings.jobs_per_agency or None
    stop = stop_on_signals()
    publish_jobs(database, per_agency=per_agency)
    with health(settings, database, ask_broker=broker.client.ping):
        schedule(database, settings.database_url, partial(notify, broker), DUTIES, stop, per_agency=per_agency)
