"""Alerts reach people by mail: without Slack by default, else those who ask for it."""

from sqlmodel import col, select

from tests.bot.office import Office
from tests.bot.test_messages import alert_world
from tests.support.factories import make_base
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.tables import AlertMail, Mail, Membership, SlackInstallation, User


def mailed(north: Office) -> list[str]:
    with north.database.unit(north.agency.id) as session:
        about = select(Mail.recipient_email).where(col(Mail.dedupe_key).startswith("alert:"))
        return sorted(session.exec(about))


def choose(north: Office, email: str, when: AlertMail) -> None:
    with north.database.unit(north.agency.id) as session:
        query = select(Membership).join(User, col(User.id) == Membership.user_id).where(User.email == email)
        session.exec(query).one().alert_mail = when


def test_each_member_says_whether_alerts_come_by_mail(north: Office, database: Database) -> None:
    alert_world(north, database, make_base(database))
    assert mailed(north) == []
    choose(north, "ann@north.example", AlertMail.ALWAYS)
    choose(north, "vera@north.example", AlertMail.ALWAYS)
    for _ in range(2):
        north.tick()
    assert mailed(north) == ["ann@north.example"], "a viewer can do nothing about it"
    choose(north, "otto@north.example", AlertMail.NEVER)
    with north.database.unit(north.agency.id) as session:
        for installation in session.exec(select(SlackInstallation)):
            installation.removed_at = now()
    for _ in range(2):
        north.tick()
    found = mailed(north)
    assert len(set(found)) == len(found)
    assert {"ann@north.example", "olga@north.example"} <= set(found)
    assert not {"otto@north.example", "vera@north.example"} & set(found)
