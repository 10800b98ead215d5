"""Slack's side of the wire to the app: signed requests, or envelopes of Socket Mode; retries of events."""

import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from queue import Empty, SimpleQueue
from threading import Lock
from time import time
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx

from tuneloop_local.emulators.slack.workspace import App, new_id

ACK_SECONDS = 3.0
RETRIES = 3


class Signed(NamedTuple):
    """A request exactly as Slack sends it."""

    body: bytes
    headers: dict[str, str]


class AppResponse(NamedTuple):
    status: int
    body: str

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        if not self.body.startswith("{"):
            return {}
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


Post = Callable[[str, Signed], AppResponse]


def sign(app: App, body: bytes, *, form: bool, at: float | None = None, retry: int = 0, reason: str = "") -> Signed:
    stamp = str(int(at if at is not None else time()))
    digest = hmac.new(app.signing_secret.encode(), f"v0:{stamp}:".encode() + body, sha256).hexdigest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }
    if retry:
        headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
    return Signed(body, headers)


def post_over_http(url: str, request: Signed) -> AppResponse:
    """One try within Slack's three seconds."""
    try:
        answer = httpx.post(url, content=request.body, headers=request.headers, timeout=ACK_SECONDS)
    except httpx.TimeoutException:
        return AppResponse(0, "http_timeout")
    except httpx.TransportError:
        return AppResponse(0, "connection_failed")
    return AppResponse(answer.status_code, answer.text)


class Socket:
    """One Socket Mode connection: envelopes out, acknowledgements in."""

    def __init__(self) -> None:
        self.outgoing: SimpleQueue[str | None] = SimpleQueue()
        self._waiting: dict[str, SimpleQueue[dict[str, Any]]] = {}
        self._lock = Lock()

    def send(self, kind: str, payload: dict[str, Any], *, retry: int = 0) -> AppResponse:
        envelope = new_id("env-")
        waiting: SimpleQueue[dict[str, Any]] = SimpleQueue()
        with self._lock:
            self._waiting[envelope] = waiting
        content = {"envelope_id": envelope, "type": kind, "payload": payload, "accepts_response_payload": True}
        self.outgoing.put(json.dumps(content | ({"retry_attempt": retry} if retry else {})))
        try:
            answer = waiting.get(timeout=ACK_SECONDS)
        except Empty:
            return AppResponse(0, "http_timeout")
        return AppResponse(200, json.dumps(answer.get("payload") or {}) if answer.get("payload") else "")

    def received(self, text: str) -> None:
        message = json.loads(text)
        with self._lock:
            waiting = self._waiting.pop(message.get("envelope_id", ""), None)
        if waiting is not None:
            waiting.put(message)


class Delivery:
    """Sends to the app by Socket Mode while it is connected so, else to its request URL."""

    def __init__(self, app: App, post: Post = post_over_http) -> None:
        self.app = app
        self.post = post
        self.sockets: list[Socket] = []
        self.sent: list[Signed] = []
        self.answered = 0

    def interaction(self, payload: dict[str, Any]) -> AppResponse:
        """Slack tries these once; the person sees when it fails."""
        return self._send("interactive", payload, urlencode({"payload": json.dumps(payload)}).encode(), form=True)

    def command(self, fields: dict[str, str]) -> AppResponse:
        return self._send("slash_commands", dict(fields), urlencode(fields).encode(), form=True)

    def event(self, team: str, event: dict[str, Any], *, authorised: str) -> AppResponse:
        """Repeated up to three times until the app answers 2xx, under the same event id."""
        payload = {
            "token": "unused",
            "team_id": team,
            "api_app_id": self.app.id,
            "event": event,
            "type": "event_callback",
            "event_id": new_id("Ev"),
            "event_time": int(time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": team,
                    "user_id": authorised,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
        }
        body = json.dumps(payload).encode()
        answer = self._send("events_api", payload, body, form=False)
        for retry in range(1, RETRIES + 1):
            if answer.good:
                break
            reason = "http_error" if answer.status else answer.body
            answer = self._send("events_api", payload, body, form=False, retry=retry, reason=reason)
        return answer

    def repeat(self, request: Signed, *, retry: int = 1, reason: str = "http_timeout") -> AppResponse:
        """Send a request's body once more, as Slack does when it missed the first answer."""
        form = request.headers["Content-Type"] != "application/json"
        again = sign(self.app, request.body, form=form, retry=retry, reason=reason)
        return self.post(self.app.request_url, again)

    def _send(
        self, kind: str, payload: dict[str, Any], body: bytes, *, form: bool, retry: int = 0, reason: str = ""
    ) -> AppResponse:
        if self.sockets:
            return self.sockets[-1].send(kind, payload, retry=retry)
        request = sign(self.app, body, form=form, retry=retry, reason=reason)
        self.sent.append(request)
        answer = self.post(self.app.request_url, request)
        self.answered += 1
        return answer
