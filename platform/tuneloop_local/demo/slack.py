"""The demo's Slack: the agency's workspace in the emulator, and an operator who clicks there."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from tuneloop.kit.settings import Settings
from tuneloop_bot.action_ids import Act
from tuneloop_local.demo.api import DemoFailed, Operator, wait_until
from tuneloop_local.demo.human import Ledger
from tuneloop_local.emulators.slack.client import EmulatorClient, click

CHANNEL = "models"


class SlackRoom:
    """A channel of the emulator in which the operator decides."""

    def __init__(
        self, settings: Settings, operator: Operator, ledger: Ledger, *, team: str, name: str, email: str
    ) -> None:
        """Connect a workspace named `team`, as its operator does in a browser; `email` is a member's."""
        self._emulator = EmulatorClient(settings.slack_emulator_url)
        self._ledger = ledger
        self._team = self._emulator.team(team)
        self._user = self._emulator.person(self._team, name, email)
        begun = operator.post("/api/v1/slack/installations", {})["url"]
        with httpx.Client(timeout=30) as browser:
            consent = browser.get(begun).headers["location"]
            back = self._emulator.allow(consent, team=self._team, user=self._user)
            if not browser.get(back, headers={"Accept": "text/html"}).is_success:
                raise DemoFailed(f"the Slack emulator could not be connected: {urlsplit(back).path}")
        channel = self._emulator.channel(self._team, CHANNEL)
        self._emulator.act("invite", team=self._team, channel=channel)
        operator.put("/api/v1/slack/channel", {"channel": channel, "client": None, "team": self._team})

    def click_newest(self, action: Act, digest: str, *, activity: str) -> None:
        """Use the button of the message that asks about exactly this digest, as soon as it is there."""

        def clicked() -> bool:
            for message in reversed(self._emulator.messages(self._team)):
                if action in message.actions and digest in str(message.content["blocks"]):
                    click(message, action, emulator=self._emulator, user=self._user)
                    self._ledger.click(activity, len(" ".join(_texts(message.content["blocks"])).split()))
                    return True
            return False

        wait_until(clicked, f"no message with the button {action!r} about {digest[:12]} came to Slack")


def _texts(part: Any) -> Iterator[str]:
    """What a person reads of a message's blocks."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "text" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value)
