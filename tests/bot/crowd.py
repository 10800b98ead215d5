"""An agency at work in Slack over real connections: people who click in the same moment, jobs taken together."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import NamedTuple

from sqlmodel import select

from tests.bot.office import Office
from tests.support.cycles import Workshop
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, Queue
from tuneloop.tables import Agency
from tuneloop_local.emulators.slack.client import EmulatorMessage


class Everybody(NamedTuple):
    """An agency at work in Slack; `north` hands requests straight to the app, so that threads really meet in it."""

    database: Database
    agency: Agency
    workshop: Workshop
    north: Office


def take_together(north: Office, threads: int) -> None:
    """Run what waits on the chat queue in several threads at once."""
    with north.database.unit(north.agency.id) as session:
        jobs = list(session.exec(select(JobRow.id).where(JobRow.queue == Queue.CHAT, JobRow.state == "queued")))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(north.runtime.run, jobs))
    north.work()


def click_together(north: Office, message: EmulatorMessage, action: str) -> None:
    """Otto and Olga double-click in the same moment, and Slack repeats what they sent; then the jobs run at once."""
    ready = Barrier(4)

    def click(who: str) -> None:
        ready.wait()
        place = {"channel": message.channel, "ts": message.ts, "action": action}
        north.client.act("click", team=north.team, user=north.people[who], **place)
        north.emulator.delivery.repeat(north.emulator.delivery.sent[-1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(click, ("Otto", "Olga", "Otto", "Olga")))
    take_together(north, 4)
