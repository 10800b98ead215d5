"""Alerts, labels, corrections, reminders and mail, and deliveries that do not go smoothly."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar.testing import TestClient
from sqlmodel import select

from tests.bot.office import Office, shown
from tests.support.cycles import Workshop
from tests.support.factories import make_base, make_key, owner_of
from tests.support.world import World, make_world
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.registry.policy import Policy
from tuneloop.registry.service import change_model
from tuneloop.retraining.approvals import questions
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    Alert,
    AlertLevel,
    AlertState,
    BaseModel,
    Client,
    CycleState,
    Feedback,
    Mail,
    Membership,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    Role,
    SlackInstallation,
    SlackMessage,
    User,
)
from tuneloop_bot.message_sync import mail_to, refresh
from tuneloop_bot.what_waits import Waiting

NASTY = "<!channel> *bold* <https://evil.example|free> & `x` \u202egnp.exe"
RATE = {"value": 0.87, "n": 100, "low": 0.79, "high": 0.92}


def point(day: int, right: int) -> dict[str, Any]:
    """A reading of fifty labels in November."""
    rate = Rate(right, 50)
    low, high = rate.interval
    return {"at": f"2026-11-{day:02}T08:00:00+00:00", "value": rate.value, "low": low, "high": high, "n": 50}


def alert_world(north: Office, database: Database, base: BaseModel) -> World:
    """A model with an open alert of two labelled weeks, and no cycle under way."""
    with database.all_agencies() as session:
        world = make_world(session, north.agency, base, "acme")
        cycle = session.get_one(RetrainingCycle, world.row(RetrainingCycle).id)
        cycle.state, cycle.alert_id = "rejected", None  # type: ignore[assignment]
        session.get_one(SlackInstallation, world.row(SlackInstallation).id).removed_at = now()
        session.delete(session.get_one(SlackMessage, world.row(SlackMessage).id))
        alert = session.get_one(Alert, world.row(Alert).id)
        alert.level, alert.summary = AlertLevel.WARN, "Accuracy fell from 87 % to 70 %."
        alert.evidence = {
            "baseline": RATE,
            "current": {**RATE, "value": 0.7, "low": 0.6, "high": 0.78},
            "series": {"accuracy": [point(5, 43), point(12, 35)]},
            "fallen": ["order"],
            "categories": {"order": RATE},
            "false_alarms_a_year": 0.05,
            "doubts": [f"Most labels are by {NASTY}, new here."],
            "wrong": [str(place) for place in range(24)],
        }
    north.tick()
    return world


def _alert(north: Office) -> tuple[UUID, AlertState]:
    with north.database.unit(north.agency.id) as session:
        alert = session.exec(select(Alert)).one()
        return alert.id, alert.state


@pytest.mark.failure_case(22)
def test_an_alert_shows_rates_with_n_a_picture_and_everybody_s_words_literally(
    north: Office, database: Database
) -> None:
    alert_world(north, database, make_base(database))
    (message,) = [each for each in north.messages() if "snooze" in each.actions]
    assert message.actions == ["approve_retrain", "label_first", "snooze", "no_problem"]
    words = shown(message.content)
    assert "87 % (79\u201392 %, n=100)" in words
    (said,) = [block["text"] for block in message.content["blocks"] if "Accuracy on sampled" in str(block)]
    assert (said["type"], said["emoji"]) == ("plain_text", False)
    assert "<!channel> *bold*" in said["text"]
    assert "\\u202egnp.exe" in said["text"]
    assert "<!channel>" not in message.text
    assert words.count("70 % (60") == 1, "one number for one fact"
    assert "would come less than once in 20 years" in words
    assert "Plainly counted, 76 of 100 labelled answers were right" in words
    (image,) = [block for block in message.content["blocks"] if block["type"] == "image"]
    assert image["alt_text"].endswith("5 Nov 86 % (74-93 %, n=50); 12 Nov 70 % (56-81 %, n=50)")
    file = north.client.state()["teams"][north.team]["files"][image["slack_file"]["id"]]
    assert (file["complete"], file["content"]) == (True, True)


def test_an_alert_without_dates_goes_without_a_picture(north: Office, database: Database) -> None:
    alert_world(north, database, make_base(database))
    with database.unit(north.agency.id) as session:
        alert = session.exec(select(Alert)).one()
        alert.evidence = {**alert.evidence, "series": {}}
    north.tick()
    (message,) = [each for each in north.messages() if "snooze" in each.actions]
    assert [block for block in message.content["blocks"] if block["type"] == "image"] == []
    assert "70 % (60\u201378 %, n=100)" in shown(message.content)


def test_an_alert_is_snoozed_or_closed_with_a_reason_and_says_so(north: Office, database: Database) -> None:
    alert_world(north, database, make_base(database))
    (message,) = [each for each in north.messages() if "snooze" in each.actions]
    alert_id, _ = _alert(north)
    north.click("Vera", message, "snooze", value=f"3:{alert_id}")
    assert "this needs the role operator" in shown(north.told("Vera")[-1].content)
    north.click("Otto", message, "snooze", value=f"3:{alert_id}")
    assert "Quiet until" in shown(north.told("Otto")[-1].content)
    north.click("Otto", message, "no_problem")
    north.submit("Otto", reason="a holiday")
    assert _alert(north) == (alert_id, AlertState.DISMISSED)
    (now_so,) = [each for each in north.messages() if each.ts == message.ts]
    assert now_so.actions == []
    assert "Dismissed by `Otto`" in shown(now_so.content)
    assert "`a holiday`" in shown(now_so.content)


def test_labels_are_given_one_after_the_other_in_one_private_message(north: Office, database: Database) -> None:
    world = alert_world(north, database, make_base(database))
    with database.unit(north.agency.id) as session:
        for place in range(2):
            item = ReviewItem(
                client_id=world.client.id,
                model_id=world.model.id,
                purpose=ReviewPurpose.UNCERTAIN,
                reason="the model is unsure",
                priority=float(10 - place),
                messages=[{"role": "user", "content": f"Where is parcel {place}? {NASTY}"}],
                answers={"production": "refund"},
            )
            session.add(item)
    assert "Where is parcel 0?" in north.say("Otto", "label acme")
    asked = north.told("Otto")[-1]
    assert "refund" not in [
        each["text"] for block in asked.content["blocks"] for each in [block.get("text") or {}] if each
    ]
    value = next(
        each["value"]
        for block in asked.content["blocks"]
        for each in block.get("elements", ())
        if each.get("action_id") == "label:0"
    )
    north.click("Otto", asked, "label:0", value=value)
    assert "Where is parcel 1?" in shown(north.told("Otto")[-1].content)
    assert north.told("Otto")[-1].ts == asked.ts
    with database.unit(north.agency.id) as session:
        done = session.exec(select(ReviewItem).where(ReviewItem.state == ReviewState.DONE)).all()
        assert [item.expected for item in done] == ["order"]


def test_a_reply_in_the_thread_or_the_shortcut_becomes_a_correction_to_review(
    north: Office, database: Database
) -> None:
    world = alert_world(north, database, make_base(database))
    prediction = world.row(Prediction).id
    with database.unit(north.agency.id) as session:
        row = session.exec(select(SlackMessage).where(SlackMessage.subject_kind == "alert")).one()
        row.answers = [str(prediction)]
    (message,) = [each for each in north.messages() if "snooze" in each.actions]
    say = {"team": north.team, "channel": north.channel, "thread": message.ts}
    north.client.act("say", user=north.people["Otto"], text="who broke it?", **say)
    north.client.act("say", user=north.people["Otto"], text="1 should be: repair", **say)
    north.work()
    assert "“repair” is in the review queue" in shown(north.told("Otto")[-1].content)
    north.client.act("say", user=north.people["Olga"], text="should be: nonsense", **say)
    north.work()
    assert "is not a label of this model" in shown(north.told("Olga")[-1].content)
    north.client.act("say", user=north.people["Olga"], text="should be: R&D for jo@acme.example", **say)
    north.work()
    assert "R&amp;D for jo@acme.example" in str(north.told("Olga")[-1].content), "escaped once, by us"
    north.client.act(
        "shortcut",
        team=north.team,
        user=north.people["Olga"],
        channel=north.channel,
        ts=message.ts,
        callback="answer_was_wrong",
    )
    north.submit("Olga", completion=completion_id(prediction), expected="refund")
    with database.unit(north.agency.id) as session:
        said = session.exec(select(Feedback).where(Feedback.kind == "correction")).all()
        assert {(each.correction, each.reporter, str(each.state)) for each in said} == {
            ("repair", "Otto", "open"),
            ("refund", "Olga", "open"),
        }


def test_slack_down_or_busy_delays_a_message_and_loses_none(north: Office, workshop: Workshop) -> None:
    north.client.act("limit", method="chat.postMessage", retry_after=60, times=1)
    with north.database.unit(north.agency.id) as session:
        workshop.asked(session)
    north.tick()
    assert [each for each in north.messages() if "approve_retrain" in each.actions] == []
    with north.database.unit(north.agency.id) as session:
        row = session.exec(select(SlackMessage)).one()
        assert timedelta(seconds=50) < row.not_before - now() <= timedelta(seconds=60)
        row.not_before = now()
    north.client.act("limit", method="*", status=503, times=1)
    north.tick()
    with north.database.unit(north.agency.id) as session:
        row = session.exec(select(SlackMessage)).one()
        assert (row.failures, row.ts) == (2, None)
        row.not_before = now()
    north.tick()
    assert len([each for each in north.messages() if "approve_retrain" in each.actions]) == 1


def test_a_message_whose_sending_was_cut_off_is_not_posted_twice(north: Office, workshop: Workshop) -> None:
    with north.database.unit(north.agency.id) as session:
        workshop.asked(session)
    north.tick()
    with north.database.unit(north.agency.id) as session:
        row = session.exec(select(SlackMessage)).one()
        row.ts = row.sent = row.posted_in = None
        row.not_before = now()
    north.tick()
    assert len([each for each in north.messages() if "approve_retrain" in each.actions]) == 1


def test_nobody_answers_so_people_are_called_then_admins_get_a_mail_that_answers_once(
    north: Office, workshop: Workshop
) -> None:
    north.say("Otto", "status")
    with north.database.unit(north.agency.id) as session:
        cycle_id = workshop.asked(session, valid_for=timedelta(hours=9))
    north.tick()
    for hours, word in ((4, "still waits for an answer"), (7, "Nobody has answered")):
        with north.database.unit(north.agency.id) as session:
            refresh(session, north.settings, at=now() + timedelta(hours=hours))
        north.work()
        (called,) = [each for each in north.messages() if word in shown(each.content)]
        assert f"<@{north.people['Ann']}>" in shown(called.content)
        with north.database.unit(north.agency.id) as session:
            for installation in session.exec(select(SlackInstallation)):
                installation.news_until = now()
    with north.database.unit(north.agency.id) as session:
        assert session.exec(select(Mail.recipient_email)).all() == ["ann@north.example"]
    token = north.mailed("Ann", "token=")
    asked = north.site.get("/answer", params={"token": token}, headers={"Accept": "text/html"})
    assert "<h1>Sign in" in asked.text
    north.sign_in("Ann")
    looked = north.site.get("/answer", params={"token": token})
    assert "Retrain acme/support?" in looked.text
    assert _cycle_state(north, cycle_id) is CycleState.PROPOSED
    form = {"token": token, "decision": "approved", "note": ""}
    assert north.site.post("/answer", data=form).status_code == 401, "no form of ours"
    form |= dict(re.findall(r'name="(csrf_token)" value="([^"]+)"', looked.text))
    answered = north.site.post("/answer", data=form)
    assert "Approved by Ann from email" in answered.text
    assert _cycle_state(north, cycle_id) is CycleState.APPROVED
    assert north.site.post("/answer", data=form | {"decision": "rejected"}).status_code == 409


def test_a_mailed_link_answers_for_the_person_who_got_it_and_nobody_else(north: Office, workshop: Workshop) -> None:
    """One viewer with both approvers' links filled a quorum of two; one operator with another's gave two votes."""
    with north.database.unit(north.agency.id) as session:
        session.get_one(RegisteredModel, workshop.model.id).policy = {"approvals_needed": 2}
        cycle_id = workshop.asked(session)
        mail_to(session, north.settings, questions(session, cycle_id)[-1], {Role.OPERATOR})
    links = {who: north.mailed(who, "token=") for who in ("Otto", "Olga")}
    with TestClient(north.site.app) as keyed:
        keyed.headers["Authorization"] = f"Bearer {make_key(north.database, north.agency, role=Role.OPERATOR)}"
        assert [keyed.get("/answer", params={"token": each}).status_code for each in links.values()] == [403, 403]
        shown_mails = keyed.get("/api/v1/mail").json()
        texts = [keyed.get(f"/api/v1/mail/{each['id']}").text for each in shown_mails]
    assert len(texts) == 2
    assert [link in text for link in links.values() for text in texts] == [False] * 4
    for who, status in (("Vera", 403), ("Otto", 200)):
        north.sign_in(who)
        page = north.site.get("/answer", params={"token": links["Otto"]})
        assert page.status_code == status
    form = dict(re.findall(r'name="(csrf_token)" value="([^"]+)"', page.text)) | {"decision": "approved"}
    assert north.site.post("/answer", data=form | {"token": links["Olga"]}).status_code == 403
    assert north.site.post("/answer", data=form | {"token": links["Otto"]}).status_code == 200
    assert _cycle_state(north, cycle_id) is CycleState.PROPOSED, "one person is not two"
    north.sign_in("Olga")
    page = north.site.get("/answer", params={"token": links["Olga"]})
    form = dict(re.findall(r'name="(csrf_token)" value="([^"]+)"', page.text)) | {"decision": "approved"}
    assert "Approved by Otto and Olga" in north.site.post("/answer", data=form | {"token": links["Olga"]}).text
    voted = [(each.actor_kind, each.actor_name) for each in north.audit() if each.action == "approval.vote"]
    assert voted == [("user", "Otto"), ("user", "Olga")]


def test_a_question_is_mailed_to_those_alone_who_may_answer_it(north: Office, workshop: Workshop) -> None:
    with north.database.unit(north.agency.id) as session:
        people = {person.name: person for person in session.exec(select(User))}
        other = Client(slug="other", name="Other")
        session.add(other)
        session.flush()
        session.exec(
            select(Membership).where(Membership.user_id == people["Otto"].id)
        ).one().member_client_id = other.id
        session.get_one(RegisteredModel, workshop.model.id).policy = {"four_eyes": True}
        question = questions(session, workshop.asked(session))[-1]
        question.requested_by = f"user:{people['Ann'].id}"
        mail_to(session, north.settings, question, {Role.OPERATOR, Role.ADMIN, Role.OWNER})
        mailed = set(session.exec(select(Mail.recipient_name)))
    assert "Olga" in mailed
    assert not mailed & {"Otto", "Ann", "Vera"}


def test_a_first_version_s_question_shows_what_was_measured_everywhere(north: Office, workshop: Workshop) -> None:
    north.say("Otto", "status")
    with north.database.unit(north.agency.id) as session:
        workshop.first(session, [True, False])
    north.tick()
    (message,) = [each for each in north.messages() if "promote" in each.actions]
    words = shown(message.content)
    assert "*Overall accuracy*\n*50 % (9\u201391 %, n=2)*" in words
    assert "`refund`\n*0 %" in words
    for minutes in (25, 50):
        with north.database.unit(north.agency.id) as session:
            refresh(session, north.settings, at=now() + timedelta(minutes=minutes))
        north.work()
        with north.database.unit(north.agency.id) as session:
            for installation in session.exec(select(SlackInstallation)):
                installation.news_until = now()
    measured = "Right on golden examples: 50 % (9\u201391 %, n=2). Weakest of 2 categories: refund 0 %"
    calls = [shown(each.content) for each in north.messages() if "has answered" in shown(each.content)]
    calls += [shown(each.content) for each in north.messages() if "still waits" in shown(each.content)]
    assert [measured in each for each in calls] == [True, True]
    with north.database.unit(north.agency.id) as session:
        mail = session.exec(select(Mail)).one()
        assert measured in mail.text
    token = north.mailed("Ann", "token=")
    north.sign_in("Ann")
    page = north.site.get("/answer", params={"token": token}).text
    assert "Overall accuracy" in page
    assert "n = 2" in page
    assert "refund" in page
    north.client.act("open_home", team=north.team, user=north.people["Otto"])
    north.work()
    assert measured in shown(north.client.state()["teams"][north.team]["homes"][north.people["Otto"]])


def test_a_loosened_policy_is_told_in_the_channel(north: Office, workshop: Workshop) -> None:
    north.say("Otto", "status")
    with north.database.unit(north.agency.id) as session:
        model = session.get_one(RegisteredModel, workshop.model.id)
        change_model(
            session, principal=owner_of(north.agency), model=model, contract=None, policy=Policy(overall_margin=0.4)
        )
    north.tick()
    north.tick()
    (told,) = [each for each in north.messages() if "Policy loosened" in shown(each.content)]
    assert "has loosened what binds `acme/support`" in shown(told.content)
    assert "overall_margin: 0.02 \u2192 0.4" in shown(told.content)


def test_home_shows_what_waits_for_me(north: Office, workshop: Workshop) -> None:
    with north.database.unit(north.agency.id) as session:
        workshop.asked(session)
    north.say("Otto", "status")
    for who, may in (("Otto", True), ("Vera", False)):
        north.say(who, "status")
        north.client.act("open_home", team=north.team, user=north.people[who])
        north.work()
        home = north.client.state()["teams"][north.team]["homes"][north.people[who]]
        north.say(who, "week")
        for place in (shown(home), shown(north.told(who)[-1].content)):
            assert "*1 question* waits for an answer." in place
        assert "Retrain `acme/support`?" in shown(home)
        assert ("approve_retrain" in str(home)) is may


def _cycle_state(north: Office, cycle_id: UUID) -> CycleState:
    with north.database.unit(north.agency.id) as session:
        return session.get_one(RetrainingCycle, cycle_id).state


def test_a_monthly_report_gets_a_note_and_is_sent_once(north: Office, database: Database) -> None:
    world = alert_world(north, database, make_base(database))
    with database.unit(north.agency.id) as session:
        contacts = [{"name": "Cleo", "email": "cleo@acme.example"}]
        session.get_one(Client, world.client.id).contacts = contacts
    north.tick()
    (message,) = [each for each in north.messages() if "send_report" in each.actions]
    assert "cleo@acme.example" in shown(message.content)
    north.click("Otto", message, "edit_note")
    north.submit("Otto", note=f"A good month. {NASTY}")
    (noted,) = [each for each in north.messages() if "send_report" in each.actions]
    assert "A good month. <!channel>" in shown(noted.content)
    north.click("Otto", noted, "send_report")
    assert "is on its way" in shown(north.told("Otto")[-1].content)
    (sent,) = [each for each in north.messages() if each.ts == message.ts]
    assert "send_report" not in sent.actions
    assert "Sent by `Otto`" in shown(sent.content)


def test_nothing_waits_is_never_said_beside_what_does() -> None:
    assert Waiting(0, 0, 0, 0, 0).words == "Nothing waits for you."
    assert Waiting(0, 0, 2, 0, 0).words == "*2 alerts* are put off or being mended."
    assert Waiting(1, 1, 0, 2, 14).words == (
        "*1 question* waits for an answer. *1 alert* is open. *2 reports* can be sent. *14 answers* wait for a label."
    )
