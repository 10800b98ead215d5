"""What reaches the app: replays, strangers, repeats, an absent database; and who a Slack user is."""

import json
import re
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import pytest
from slack_bolt.adapter.socket_mode import SocketModeHandler
from sqlmodel import select

import tuneloop_bot
from tests.bot.office import Office, office, shown
from tests.gateway.waiting import eventually
from tests.support.cycles import Workshop
from tests.support.factories import make_agency, owner_of
from tests.support.people import add_member
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict
from tuneloop.kit.storage import Storage
from tuneloop.tables import CycleState, RetrainingCycle, Role, SlackIdentity, SlackInstallation, SlackReceipt
from tuneloop_bot.app import make_app
from tuneloop_bot.installations import SCOPES, begin_installation
from tuneloop_bot.token_rotation import renew_soon
from tuneloop_local.emulators.slack.app import Emulator
from tuneloop_local.emulators.slack.delivery import AppResponse, Signed, sign
from tuneloop_local.emulators.slack.methods import METHODS


def _receipts(north: Office) -> int:
    with north.database.unit(north.agency.id) as session:
        return len(session.exec(select(SlackReceipt)).all())


def _send(north: Office, request: Signed) -> AppResponse:
    return north.emulator.delivery.post("http://tuneloop.test/slack/events", request)


def _last(north: Office) -> Signed:
    return north.emulator.delivery.sent[-1]


@pytest.mark.failure_case(7)
@pytest.mark.parametrize("shift", [-360, 360])
def test_requests_from_another_time_are_refused(north: Office, shift: int) -> None:
    north.say("Otto", "status")
    stale = sign(north.emulator.slack.state.app, _last(north).body, form=True, at=time.time() + shift)
    before = _receipts(north)
    assert _send(north, stale).status == 401
    assert _receipts(north) == before


@pytest.mark.failure_case(7)
def test_altered_requests_and_foreign_workspaces_are_refused(north: Office) -> None:
    north.say("Otto", "status")
    app, good, before = north.emulator.slack.state.app, _last(north), _receipts(north)
    assert _send(north, good._replace(body=good.body + b"x")).status == 401
    fields = {name: each[0] for name, each in parse_qs(good.body.decode()).items()}
    foreign = urlencode(fields | {"team_id": "T0FOREIGN"}).encode()
    assert _send(north, sign(app, foreign, form=True)).status == 403
    assert _receipts(north) == before


@pytest.mark.failure_case(7)
def test_the_same_request_again_changes_nothing(north: Office, workshop: Workshop) -> None:
    with north.database.unit(north.agency.id) as session:
        cycle_id = workshop.asked(session)
    north.tick()
    (question,) = [each for each in north.messages() if "reject" in each.actions]
    north.click("Otto", question, "approve_retrain")
    told, before = len(north.told("Otto")), _receipts(north)
    assert north.emulator.delivery.repeat(_last(north)).status == 200
    north.work()
    assert (_receipts(north), len(north.told("Otto"))) == (before, told)
    with north.database.unit(north.agency.id) as session:
        assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.APPROVED


def test_a_member_is_known_by_confirmed_address_and_nobody_else(north: Office) -> None:
    assert "Otto" in north.say("Otto", "who-can")
    stranger = north.client.person(north.team, "Eve", "eve@elsewhere.example")
    pretender = north.client.act(
        "add_person", team=north.team, name="Mallory", email="ann@north.example", confirmed=False
    )["id"]
    north.people |= {"Eve": stranger, "Mallory": pretender}
    for who in ("Eve", "Mallory"):
        assert "I don't know who you are yet" in north.say(who, "status")
    with north.database.unit(north.agency.id) as session:
        known = set(session.exec(select(SlackIdentity.slack_user_id)))
    assert known == {north.people["Ann"], north.people["Otto"]}


def test_two_agencies_cannot_see_or_touch_each_other(
    north: Office, workshop: Workshop, database: Database, storage: Storage, emulator: Emulator
) -> None:
    with north.database.unit(north.agency.id) as session:
        cycle_id = workshop.asked(session)
    north.tick()
    (question,) = [each for each in north.messages() if "reject" in each.actions]
    folder = north.settings.data_dir
    with office(emulator, database, make_agency(database, "south"), storage, folder, name="South") as south:
        south.client.act("command", team=south.team, user=south.people["Ann"], channel=south.channel, text="here")
        south.tick()
        value = next(
            each["value"]
            for block in question.content["blocks"]
            for each in block.get("elements", ())
            if each.get("action_id") == "approve_retrain"
        )
        home = south.emulator.slack.team(south.team)
        forged = {**question.content, "channel": south.channel, "user": home.bot_user}
        home.messages.append(forged)
        south.client.act(
            "click",
            team=south.team,
            user=south.people["Ann"],
            channel=south.channel,
            ts=question.ts,
            action="approve_retrain",
            value=value,
        )
        south.work()
        assert "no cycle" in shown(south.told("Ann")[-1].content)
        assert "There are no models yet." in south.say("Ann", "status")
        assert [each for each in south.messages() if "acme" in shown(each.content) and each.ts != question.ts] == []
    with north.database.unit(north.agency.id) as session:
        assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.PROPOSED


def test_a_workspace_belongs_to_one_agency(north: Office, database: Database) -> None:
    thief = make_agency(database, "thief")
    with database.unit(thief.id) as session:
        state = begin_installation(session, principal=owner_of(thief))
    consent = north.site.get("/slack/install", params={"state": state}, follow_redirects=False)
    back = north.client.allow(consent.headers["location"], team=north.team, user=north.people["Otto"])
    answer = north.site.get(back.replace("http://tuneloop.test", ""))
    assert (answer.status_code, "another agency" in answer.text) == (409, True)


def test_uninstalling_forgets_the_tokens_and_silences_the_app(north: Office) -> None:
    north.client.act("uninstall", team=north.team)
    north.work()
    row = north.installation()
    assert (row.bot_token, row.refresh_token, row.removed_at is not None) == ("", None, True)
    with pytest.raises(Conflict, match="403"):
        north.client.act("command", team=north.team, user=north.people["Otto"], channel=north.channel, text="status")


def test_socket_mode_serves_the_same_listeners(north: Office) -> None:
    app = make_app(north.settings, north.database)
    token = north.emulator.slack.state.app.app_token
    socket = SocketModeHandler(app, token, web_client=app.client)
    socket.connect()  # type: ignore[no-untyped-call]
    try:
        eventually(lambda: bool(north.emulator.delivery.sockets))
        before = len(north.emulator.delivery.sent)
        assert "How your models are" in north.say("Otto", "status")
        assert len(north.emulator.delivery.sent) == before
    finally:
        socket.close()  # type: ignore[no-untyped-call]


def test_a_token_is_exchanged_before_it_expires(north: Office) -> None:
    old = north.installation()
    with north.database.unit(north.agency.id) as session:
        row = session.get_one(SlackInstallation, old.id)
        row.token_expires_at = now() + timedelta(hours=1)
    with north.database.all_agencies() as session:
        renew_soon(session)
    north.work()
    fresh = north.installation()
    assert fresh.token_expires_at is not None
    assert fresh.token_expires_at > now() + timedelta(hours=11)
    vault = Vault("test")
    assert vault.open(fresh.bot_token) != vault.open(old.bot_token)
    assert "How your models are" in north.say("Otto", "status")


def test_an_installation_is_finished_once_and_in_the_browser_that_began_it(north: Office) -> None:
    with north.database.unit(north.agency.id) as session:
        state = begin_installation(session, principal=owner_of(north.agency))
    consent = north.site.get("/slack/install", params={"state": state}, follow_redirects=False)
    north.site.cookies.clear()
    back = north.client.allow(consent.headers["location"], team=north.team, user=north.people["Ann"])
    path = back.replace("http://tuneloop.test", "")
    assert "in another browser" in north.site.get(path).json()["error"]["message"]
    north.site.get("/slack/install", params={"state": state}, follow_redirects=False)
    assert north.site.get(path).status_code == 200
    north.site.get("/slack/install", params={"state": state}, follow_redirects=False)
    again = north.client.allow(consent.headers["location"], team=north.team, user=north.people["Ann"])
    assert "used already" in north.site.get(again.replace("http://tuneloop.test", "")).json()["error"]["message"]


def test_the_manifest_asks_for_the_scopes_that_are_used() -> None:
    manifest = json.loads((Path(tuneloop_bot.__file__).parents[1] / "manifest.json").read_text())
    assert tuple(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES
    used = {scope for method in METHODS.values() for scope in method.scopes}
    assert set(SCOPES) - used == {"commands"}


def test_a_member_with_another_address_links_themselves_by_a_link_that_works_once(north: Office) -> None:
    password = "a password that is long enough"
    with north.database.unit(north.agency.id) as session:
        add_member(
            session,
            principal=owner_of(north.agency),
            email="pia@private.example",
            name="Pia",
            role=Role.OPERATOR,
            password=password,
        )
    north.people["Pia"] = north.client.person(north.team, "Pia", "pia@north.example")
    north.say("Pia", "status")
    blocks = north.told("Pia")[-1].content["blocks"]
    (url,) = [each["url"] for block in blocks for each in block.get("elements", ()) if "url" in each]
    with north.database.unit(north.agency.id) as session:
        kept = [row.model_dump() for row in session.exec(select(SlackReceipt))]
    assert url.rpartition("token=")[2] not in repr(kept), "the way to become somebody is told to them alone"
    assert {row["payload"]["response_url"] for row in kept} == {None}, "who has it writes in our name"
    north.site.post("/sign-in", data={"email": "pia@private.example", "password": password, "next": "/"})
    page = north.site.get(url)
    form = dict(re.findall(r'name="(csrf_token|token)" value="([^"]+)"', page.text))
    for named in ("Pia", north.people["Pia"], "workspace North", "operator of North"):
        assert named in page.text
    assert north.site.post("/slack/link", data={"token": form["token"]}).status_code == 401, "no form of ours"
    assert north.site.get("/slack/link", params={"token": "unknown"}).status_code == 404
    done = north.site.post("/slack/link", data=form)
    assert "Pia is you now" in done.text
    assert "How your models are" in north.say("Pia", "status")
    assert north.site.post("/slack/link", data=form).status_code == 409
    (event,) = [event for event in north.audit() if event.action == "slack.link" and event.actor_name == "Pia"]
    assert event.detail["how"] == "link"
