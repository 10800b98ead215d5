"""Who writes messages takes rows in one order: two who meet wait for each other, and neither is ended by PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text
from sqlmodel import col, update

from tests.gateway.waiting import eventually
from tests.support.committed import committed_agency
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.settings import Settings
from tuneloop.tables import Agency, SlackInstallation, SlackMessage
from tuneloop_bot.message_subjects import MessageSubject
from tuneloop_bot.message_sync import refresh
from tuneloop_bot.post_message import send_soon
from tuneloop_local.engines import EngineUrls

WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


class Meeting(NamedTuple):
    """`messages` wait to be sent, in this order."""

    database: Database
    agency: Agency
    messages: tuple[SlackMessage, ...]

    def refresh(self) -> None:
        with self.database.unit(self.agency.id) as session:
            refresh(session, Settings(), at=now())

    def bring_forward(self, *messages: SlackMessage) -> None:
        """These are sent before all others, in this order."""
        with self.database.unit(self.agency.id) as session:
            for place, message in enumerate(messages):
                sooner = update(SlackMessage).where(col(SlackMessage.id) == message.id)
                session.execute(sooner.values(not_before=now() - timedelta(days=1) + timedelta(seconds=place)))

    def until_waiting(self, number: int) -> None:
        """Until so many connections wait for a lock."""

        def count() -> bool:
            with self.database.all_agencies() as session:
                return bool(session.execute(text(WAITING)).scalar_one() >= number)

        eventually(count)


@pytest.fixture
def meeting(engine: Engine, urls: EngineUrls) -> Iterator[Meeting]:
    with committed_agency(engine, urls) as (database, agency):
        workspace = SlackInstallation(
            agency_id=agency.id,
            team_id=str(new_id()),
            team_name="North",
            app_id="A1",
            bot_user_id="U0",
            bot_token="sealed",
            scopes="chat:write",
            installer="U1",
        )
        with database.unit(agency.id) as session:
            session.add(workspace)
            session.flush()
            messages = tuple(
                SlackMessage(
                    agency_id=agency.id,
                    installation_id=workspace.id,
                    subject_kind=MessageSubject.REPORT,
                    subject_id=new_id(),
                    channel="C1",
                    wanted="new",
                    not_before=now() - timedelta(hours=1) + timedelta(seconds=place),
                )
                for place in range(3)
            )
            session.add_all(messages)
        yield Meeting(database, agency, messages)


def test_two_refreshes_that_would_send_the_same_messages_in_another_order_both_come_through(meeting: Meeting) -> None:
    first, second, third = meeting.messages
    with ThreadPoolExecutor(2) as pool:
        with meeting.database.unit(meeting.agency.id) as session:
            send_soon(session, second)
            one = pool.submit(meeting.refresh)  # has the first one, and waits for the second
            meeting.until_waiting(1)
            meeting.bring_forward(third, first)
            other = pool.submit(meeting.refresh)  # would have the third one, and wait for the first
            meeting.until_waiting(2)
        one.result(timeout=30)
        other.result(timeout=30)
