"""The demo's Slack: the agency's workspace in the sandbox, and an operator who clicks there."""

from urllib.parse import urlsplit

import httpx

from tuneloop.demo.api import DemoFailed, Operator, wait_until
from tuneloop.kit.settings import Settings
from tuneloop_bot.ids import Act
from tuneloop_bot.sandbox.client import SandboxClient, click

CHANNEL = "models"


class SlackRoom:
    """A channel of the sandbox in which the operator decides."""

    def __init__(self, settings: Settings, operator: Operator, *, team: str, name: str, email: str) -> None:
        """Connect a workspace named `team`, as its operator does in a browser; `email` is a member's."""
        self._sandbox = SandboxClient(settings.slack_sandbox_url)
        self._team = self._sandbox.team(team)
        self._user = self._sandbox.person(self._team, name, email)
        begun = operator.post("/api/v1/slack/installations", {})["url"]
        with httpx.Client(timeout=30) as browser:
            consent = browser.get(begun).headers["location"]
            back = self._sandbox.allow(consent, team=self._team, user=self._user)
            if not browser.get(back, headers={"Accept": "text/html"}).is_success:
                raise DemoFailed(f"the Slack sandbox could not be connected: {urlsplit(back).path}")
        channel = self._sandbox.channel(self._team, CHANNEL)
        self._sandbox.act("invite", team=self._team, channel=channel)
        operator.put("/api/v1/slack/channel", {"channel": channel, "client": None, "team": self._team})
        self.url = settings.slack_sandbox_url

    def click(self, action: Act, digest: str) -> None:
        """Use the button of the message that asks about exactly this digest, as soon as it is there."""

        def clicked() -> bool:
            for message in reversed(self._sandbox.messages(self._team)):
                if action in message.actions and digest in str(message.content["blocks"]):
                    click(message, action, sandbox=self._sandbox, user=self._user)
                    return True
            return False

        wait_until(clicked, f"no message with the button {action!r} about {digest[:12]} came to Slack")
