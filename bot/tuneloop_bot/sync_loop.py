"""Looks around every two seconds: what has happened, which message must change. Of several, one looks."""

import threading

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.tables import Approval, PaymentProblem, SlackInstallation
from tuneloop_bot.message_sync import refresh
from tuneloop_bot.token_rotation import renew_soon

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 2.0
ADVISORY_LOCK = 7_318_264_153


def sync_messages(database: Database, settings: Settings, stop: threading.Event) -> None:
    """Until `stop`. One agency's trouble does not silence the others."""
    while not stop.wait(PAUSE_SECONDS):
        try:
            look_around(database, settings)
        except SQLAlchemyError as error:
            log.warning("message_sync_waits", error=error)


def look_around(database: Database, settings: Settings) -> None:
    with database.all_agencies() as session:
        if not session.execute(text("select pg_try_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK}).scalar():
            return
        renew_soon(session)
        agencies = set(
            session.exec(select(SlackInstallation.agency_id).where(col(SlackInstallation.removed_at).is_(None)))
        )
        agencies |= set(session.exec(select(Approval.agency_id).where(col(Approval.decision).is_(None))))
        open_ = select(PaymentProblem.agency_id).where(col(PaymentProblem.settled_at).is_(None))
        agencies |= set(session.exec(open_))
        for agency_id in sorted(agencies):
            try:
                with database.unit(agency_id) as own:
                    refresh(own, settings)
            except Exception:  # the loop's edge: log, go on with the next agency
                log.exception("message_sync_failed", agency=str(agency_id))
