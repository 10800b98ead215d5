"""With its channel gone a message goes to an active member with the right, else by mail to the owners, and is said."""

from collections.abc import Sequence

import pytest
from sqlmodel import select

from tests.bot.office import Office, shown
from tests.bot.test_messages import alert_world
from tests.support.factories import make_base
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.tables import Alert, DeliveryProblem, Mail, Membership, Role, SlackMessage, User


def people_told(north: Office) -> list[str]:
    """Whose direct messages got anything."""
    channels = north.client.state()["teams"][north.team]["channels"]
    names = {user: name for name, user in north.people.items()}
    direct = [channels[each.channel]["members"][0] for each in north.messages() if channels[each.channel]["direct"]]
    return [names[each] for each in direct]


def problems(north: Office) -> Sequence[DeliveryProblem]:
    with north.database.unit(north.agency.id) as session:
        return session.exec(select(DeliveryProblem).where(DeliveryProblem.settled_at.is_(None))).all()  # type: ignore[union-attr]


def mails(north: Office) -> list[Mail]:
    with north.database.unit(north.agency.id) as session:
        return list(session.exec(select(Mail).where(Mail.subject_kind == "slack_message")))


def lose_channel(north: Office, how: str) -> None:
    north.client.act(how, team=north.team, channel=north.channel)


def deactivate(north: Office, *names: str) -> None:
    for name in names:
        north.client.act("deactivate", team=north.team, user=north.people[name])


@pytest.mark.parametrize(("how", "why"), [("archive", "is archived"), ("kick", "doesn't have the app")])
def test_a_channel_that_is_gone_is_said_and_an_active_owner_or_admin_gets_its_messages(
    north: Office, database: Database, how: str, why: str
) -> None:
    north.sign_in("Ann")
    lose_channel(north, how)
    alert_world(north, database, make_base(database))
    north.tick()
    north.tick()
    told = people_told(north)
    assert told
    with database.unit(north.agency.id) as session:
        rows = session.exec(select(User.email, Membership.role).join(Membership, Membership.user_id == User.id)).all()  # type: ignore[arg-type]
    roles = dict(rows)
    assert {roles[f"{each.lower()}@{north.agency.slug}.example"] for each in told} <= {Role.OWNER, Role.ADMIN}
    (problem,) = problems(north)
    assert why in problem.summary
    assert mails(north) == []
    page = north.site.get("/").text
    assert "Messages that don" in page
    assert why.split("'", maxsplit=1)[0] in page


def test_an_ex_member_is_told_nothing_and_the_owners_get_mail(north: Office, database: Database) -> None:
    lose_channel(north, "archive")
    deactivate(north, *north.people)
    alert_world(north, database, make_base(database))
    north.tick()
    north.tick()
    assert people_told(north) == []
    with database.unit(north.agency.id) as session:
        rows = session.exec(select(User.email, Membership.role).join(Membership, Membership.user_id == User.id)).all()  # type: ignore[arg-type]
        owners = {email for email, role in rows if role is Role.OWNER}
        owners = owners or {email for email, role in rows if role is Role.ADMIN}
        summary = session.exec(select(Alert.summary)).first() or ""
        message = session.exec(select(SlackMessage).where(SlackMessage.subject_kind == "alert")).one()
        assert message.sent == message.wanted
    written = mails(north)
    assert {each.recipient_email for each in written} == owners
    assert any(summary[:40] in each.text for each in written)
    assert any("by mail" in each.summary for each in problems(north))
    north.tick()
    assert len(mails(north)) == len(written), "once"


def test_who_left_the_agency_is_told_nothing_though_still_in_slack(north: Office, database: Database) -> None:
    lose_channel(north, "archive")
    with database.unit(north.agency.id) as session:
        for user in session.exec(select(User)).all():
            user.disabled_at = now()
            session.add(user)
    alert_world(north, database, make_base(database))
    north.tick()
    north.tick()
    assert people_told(north) == []


def test_a_guest_is_no_fallback(north: Office, database: Database) -> None:
    lose_channel(north, "archive")
    for name in north.people:
        north.client.act("restrict", team=north.team, user=north.people[name])
    alert_world(north, database, make_base(database))
    north.tick()
    north.tick()
    assert people_told(north) == []
    assert mails(north)


@pytest.mark.parametrize(
    ("act", "given", "why"),
    [
        ("close_workspace", {}, "deactivated the app"),
        ("narrow", {"scope": "chat:write"}, "has not granted"),
    ],
)
def test_a_workspace_that_refuses_everything_is_said_and_the_owners_get_mail(
    north: Office, database: Database, act: str, given: dict[str, str], why: str
) -> None:
    north.client.act(act, team=north.team, **given)
    alert_world(north, database, make_base(database))
    north.tick()
    north.tick()
    assert mails(north)
    (problem,) = problems(north)
    assert why in problem.summary
    assert "tuneloop slack install" in problem.to_do


def test_a_problem_ends_when_messages_arrive_again(north: Office, database: Database) -> None:
    lose_channel(north, "kick")
    alert_world(north, database, make_base(database))
    north.tick()
    north.tick()
    assert problems(north)
    north.client.act("invite", team=north.team, channel=north.channel)
    with database.unit(north.agency.id) as session:
        message = session.exec(select(SlackMessage).where(SlackMessage.subject_kind == "alert")).one()
        message.channel, message.ts, message.posted_in, message.sent = north.channel, None, None, None
        message.not_before = now()
        session.add(message)
    north.tick()
    assert problems(north) == []
    assert any(
        each.channel == north.channel and "fell" in shown(each.content).lower() for each in north.messages()
    ) or (any(each.channel == north.channel for each in north.messages()))
