"""The emulator refuses what Slack refuses, measured with Slack's own client and models."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse

from tests.bot.samples import BLOCKS, BROKEN, section
from tests.support.ports import free_port
from tuneloop_local.emulators.slack.app import Emulator
from tuneloop_local.emulators.slack.delivery import AppResponse, Signed
from tuneloop_local.emulators.slack.refusals import Refused, check_message
from tuneloop_local.emulators.slack.server import running
from tuneloop_local.emulators.slack.workspace import App

SCOPES = "chat:write,users:read,users:read.email,files:write,channels:read,channels:history,im:write"
BACK = "http://127.0.0.1/slack/oauth_redirect"


class Place:
    """One workspace with a person, a channel and the app."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.requests: list[tuple[str, Signed]] = []
        self.answers: list[AppResponse] = []
        emulator.delivery.post = self.take
        slack = emulator.slack
        self.team = slack.add_team("North").id
        self.ann = slack.add_person(self.team, "Ann", "ann@north.example").id
        (self.general,) = slack.team(self.team).channels
        app = slack.state.app
        asked = {"client_id": app.client_id, "scope": SCOPES, "state": "s", "redirect_uri": BACK}
        answer = self.do("allow", query=asked, team=self.team, user=self.ann)
        code = httpx.URL(answer["url"]).params["code"]
        given = WebClient(base_url=emulator.api_url).oauth_v2_access(
            client_id=app.client_id, client_secret=app.client_secret, code=code, redirect_uri=BACK
        )
        self.token, self.refresh = given["access_token"], given["refresh_token"]
        self.web = WebClient(self.token, base_url=emulator.api_url)
        self.do("invite", team=self.team, channel=self.general)

    def do(self, what: str, /, **given: Any) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.post(f"{self.emulator.url}/do/{what}", json=given).json()
        return answer

    def take(self, url: str, request: Signed) -> AppResponse:
        self.requests.append((url, request))
        return self.answers.pop(0) if self.answers else AppResponse(200, "")

    def fails(self, method: str, **args: Any) -> str:
        with pytest.raises(SlackApiError) as caught:
            self.web.api_call(method, json=args)
        return str(caught.value.response["error"])


@pytest.fixture
def place() -> Iterator[Place]:
    with running(Emulator(port=free_port(), app=App(request_url="http://127.0.0.1:1/slack/events"))) as emulator:
        yield Place(emulator)


@pytest.mark.parametrize("name", BROKEN)
def test_blocks_that_slack_s_models_refuse_are_refused(name: str) -> None:
    blocks = BROKEN[name]
    with pytest.raises(Refused) as caught:
        check_message({"text": "x", "blocks": blocks})
    assert caught.value.code in ("invalid_blocks", "msg_blocks_too_long")
    if name.startswith("sdk: "):
        (block,) = blocks
        with pytest.raises(SlackObjectFormationError):
            Block.parse(block).to_dict()  # type: ignore[union-attr]


def test_blocks_that_slack_s_models_accept_are_accepted(place: Place) -> None:
    for block in BLOCKS:
        assert Block.parse(block).to_dict()  # type: ignore[union-attr]
    assert place.web.chat_postMessage(channel=place.general, text="x", blocks=BLOCKS)["ok"]


def test_a_message_is_posted_edited_and_read_back_with_its_metadata(place: Place) -> None:
    metadata = {"event_type": "tuneloop", "event_payload": {"message": "1"}}
    sent = place.web.chat_postMessage(channel=place.general, text="first", metadata=metadata)
    place.web.chat_update(channel=place.general, ts=sent["ts"], text="second", blocks=[section("second")])
    (found,) = place.web.conversations_history(channel=place.general, include_all_metadata=True)["messages"]
    assert (found["text"], found["metadata"]) == ("second", metadata)
    assert place.fails("chat.update", channel=place.general, ts="1.0", text="x") == "message_not_found"
    assert place.fails("chat.update", channel=place.general, ts=sent["ts"], text="x" * 4001) == "msg_too_long"
    assert place.fails("chat.postMessage", channel="C404", text="x") == "channel_not_found"
    assert place.fails("chat.postMessage", channel=place.general) == "no_text"
    assert place.fails("chat.postMessage", channel=place.general, text="x", colour="red") == "invalid_arguments"


def test_tokens_are_checked_scoped_rotated_and_end_with_the_app(place: Place) -> None:
    site, app = place.emulator.api_url, place.emulator.slack.state.app
    for token, code in ((None, "not_authed"), ("xoxb-no", "invalid_auth")):
        with pytest.raises(SlackApiError) as caught:
            WebClient(token, base_url=site).auth_test()
        assert caught.value.response["error"] == code
    place.emulator.slack.state.tokens[place.token].scopes.remove("chat:write")
    assert place.fails("chat.postMessage", channel=place.general, text="x") == "missing_scope"
    place.emulator.slack.state.tokens[place.token].expires_at = time.time() - 1
    assert place.fails("auth.test") == "token_expired"
    secrets = {"client_id": app.client_id, "client_secret": app.client_secret}
    renew = {"grant_type": "refresh_token", "refresh_token": place.refresh}
    fresh = WebClient(base_url=site).oauth_v2_access(**secrets, **renew)
    assert WebClient(fresh["access_token"], base_url=site).auth_test()["team_id"] == place.team
    with pytest.raises(SlackApiError, match="invalid_refresh_token"):
        WebClient(base_url=site).oauth_v2_access(**secrets, **renew)
    place.do("uninstall", team=place.team)
    with pytest.raises(SlackApiError, match="invalid_auth"):
        WebClient(fresh["access_token"], base_url=site).auth_test()
    assert [b'"tokens_revoked"' in request.body for _, request in place.requests] == [True, False]


def test_rate_limits_and_outages_come_on_demand(place: Place) -> None:
    place.do("limit", method="chat.postMessage", retry_after=7, times=1)
    with pytest.raises(SlackApiError) as caught:
        place.web.chat_postMessage(channel=place.general, text="x")
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "7")
    assert place.web.chat_postMessage(channel=place.general, text="x")["ok"]
    place.do("limit", method="*", status=503)
    with pytest.raises(SlackApiError) as caught:
        place.web.auth_test()
    assert caught.value.response.status_code == 503


def test_a_click_is_signed_as_slack_signs_and_answered_through_the_response_url(place: Place) -> None:
    sent = place.web.chat_postMessage(channel=place.general, text="x", blocks=BLOCKS)
    place.do("click", team=place.team, user=place.ann, channel=place.general, ts=sent["ts"], action="approve")
    (url, request), *rest = place.requests
    assert (url, rest) == ("http://127.0.0.1:1/slack/events", [])
    stamp, signature = (request.headers[f"X-Slack-{name}"] for name in ("Request-Timestamp", "Signature"))
    verifier = SignatureVerifier(place.emulator.slack.state.app.signing_secret)
    assert verifier.is_valid(request.body, stamp, signature)
    assert not verifier.is_valid(request.body + b" ", stamp, signature)
    (key,) = place.emulator.slack.state.responses
    for _ in range(5):
        assert httpx.post(f"{place.emulator.url}/response/{key}", json={"text": "done"}).status_code == 200
    assert httpx.post(f"{place.emulator.url}/response/{key}", json={"text": "done"}).status_code == 404
    shown = [each for each in place.emulator.slack.team(place.team).messages if each.get("ephemeral_to") == place.ann]
    assert [each["text"] for each in shown] == ["done"] * 5
    refused = place.do("click", team=place.team, user=place.ann, channel=place.general, ts=sent["ts"], action="gone")
    assert refused["error"] == "no_such_action"


def test_a_view_needs_a_fresh_trigger(place: Place) -> None:
    view = {"type": "modal", "title": {"type": "plain_text", "text": "Why?"}, "blocks": [section("x")]}
    slack = place.emulator.slack
    trigger = slack.new_trigger(place.team, place.ann)
    assert place.web.views_open(trigger_id=trigger, view=view)["view"]["hash"]
    assert place.fails("views.open", trigger_id=trigger, view=view) == "exchanged_trigger_id"
    late = slack.new_trigger(place.team, place.ann)
    slack.state.triggers[late].expires_at = time.time() - 1
    assert place.fails("views.open", trigger_id=late, view=view) == "expired_trigger_id"
    fresh = slack.new_trigger(place.team, place.ann)
    assert place.fails("views.open", trigger_id=fresh, view=view | {"title": {"type": "plain_text", "text": "x" * 25}})
    other = slack.add_team("South").id
    foreign = slack.new_trigger(other, slack.add_person(other, "Bob", "b@south.example").id)
    assert place.fails("views.open", trigger_id=foreign, view=view) == "invalid_trigger_id"


def test_an_event_is_repeated_under_its_id_until_the_app_answers(place: Place) -> None:
    place.answers[:] = [AppResponse(0, "http_timeout"), AppResponse(503, "")]
    place.do("say", team=place.team, user=place.ann, channel=place.general, text="hello")
    bodies = {request.body for _, request in place.requests}
    tries = [(r.headers.get("X-Slack-Retry-Num"), r.headers.get("X-Slack-Retry-Reason")) for _, r in place.requests]
    assert len(bodies) == 1
    assert tries == [(None, None), ("1", "http_timeout"), ("2", "http_error")]


def test_an_app_that_does_not_answer_a_click_is_reported_to_the_person(place: Place) -> None:
    sent = place.web.chat_postMessage(channel=place.general, text="x", blocks=BLOCKS)
    place.answers[:] = [AppResponse(0, "http_timeout")]
    place.do("click", team=place.team, user=place.ann, channel=place.general, ts=sent["ts"], action="approve")
    assert len(place.requests) == 1
    assert "did not answer" in place.emulator.slack.team(place.team).notices[0]["text"]


def test_a_picture_is_uploaded_and_shown_in_a_message(place: Place) -> None:
    block = {"type": "image", "alt_text": "chart", "slack_file": {"id": "F404"}}
    assert place.fails("chat.postMessage", channel=place.general, text="x", blocks=[block]) == "invalid_blocks"
    file = place.web.files_upload_v2(content=b"\x89PNG...", filename="chart.png")["files"][0]["id"]
    block["slack_file"] = {"id": file}
    assert place.web.chat_postMessage(channel=place.general, text="x", blocks=[block])["ok"]
    assert httpx.get(f"{place.emulator.url}/file/{place.team}/{file}").content == b"\x89PNG..."


def test_another_site_cannot_click_through_a_visitor_s_browser(place: Place) -> None:
    click = b'{"name": "Evil"}'
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Host": "evil.example"}):
        answer = httpx.post(f"{place.emulator.url}/do/add_team", content=click, headers=headers)
        assert answer.status_code == 404
    assert len(place.emulator.slack.state.teams) == 1


def test_socket_mode_works_with_slack_s_own_client(place: Place) -> None:
    got: list[dict[str, Any]] = []
    came = threading.Event()
    client = SocketModeClient(
        place.emulator.slack.state.app.app_token, web_client=WebClient(base_url=place.emulator.api_url)
    )

    def take(socket: Any, request: Any) -> None:
        socket.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id, payload={"text": "hi"}))
        got.append(request.payload)
        came.set()

    client.socket_mode_request_listeners.append(take)
    client.on_message_listeners.append(lambda text: came.set() if '"hello"' in text else None)
    client.connect()
    try:
        assert came.wait(5)
        came.clear()
        place.do("command", team=place.team, user=place.ann, channel=place.general, text="status")
        assert came.wait(5)
    finally:
        client.close()
    assert got[0]["command"] == "/tuneloop"
    assert place.requests == []
    assert place.emulator.slack.team(place.team).messages[-1]["text"] == "hi"
