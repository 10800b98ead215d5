"""Use a running emulator from a script, as a person would from its page."""

from typing import Any, NamedTuple

import httpx

from tuneloop.kit.errors import Conflict, NotFound

TIMEOUT_SECONDS = 10.0


class EmulatorMessage(NamedTuple):
    team: str
    channel: str
    ts: str
    content: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.content["text"])

    @property
    def actions(self) -> list[str]:
        """Ids of the buttons and menus that can be used now."""
        elements = [each for block in self.content["blocks"] for each in block.get("elements", ())]
        return [each["action_id"] for each in elements if "action_id" in each]


class EmulatorClient:
    """Raises Conflict when the emulator or the app refuses what is done."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS)

    def act(self, what: str, /, **given: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.post(f"/do/{what}", json=given).json()
        if not answer["ok"]:
            raise Conflict(f"the Slack emulator refused {what}: {answer['error']}", error=answer["error"])
        if answer.get("status", 200) not in range(200, 300):
            raise Conflict(f"Tuneloop did not take the {what}: {answer['status']} {answer['body']}")
        return answer

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self._http.get("/state").json()
        return found

    def team(self, name: str) -> str:
        for team in self.state()["teams"].values():
            if team["name"] == name:
                return str(team["id"])
        return str(self.act("add_team", name=name)["id"])

    def person(self, team: str, name: str, email: str) -> str:
        """The person with this address, added if there is none."""
        for each in self.state()["teams"][team]["people"].values():
            if each["email"] == email:
                return str(each["id"])
        return str(self.act("add_person", team=team, name=name, email=email)["id"])

    def channel(self, team: str, name: str) -> str:
        for each in self.state()["teams"][team]["channels"].values():
            if each["name"] == name:
                return str(each["id"])
        return str(self.act("add_channel", team=team, name=name)["id"])

    def allow(self, authorize_url: str, *, team: str, user: str) -> str:
        """Consent to an installation; returns the URL to which the browser would go back."""
        query = dict(httpx.URL(authorize_url).params)
        return str(self.act("allow", query=query, team=team, user=user)["url"])

    def messages(self, team: str) -> list[EmulatorMessage]:
        """Oldest first."""
        found = self.state()["teams"][team]["messages"]
        return [EmulatorMessage(team, each["channel"], each["ts"], each) for each in found]

    def with_action(self, team: str, action: str) -> EmulatorMessage:
        """The newest message that has this button or menu."""
        found = [message for message in self.messages(team) if action in message.actions]
        if found:
            return found[-1]
        raise NotFound("message with the action", action)


def click(
    message: EmulatorMessage, action: str, *, emulator: EmulatorClient, user: str, value: str | None = None
) -> None:
    """Use a button or menu of a message as this person."""
    emulator.act(
        "click", team=message.team, user=user, channel=message.channel, ts=message.ts, action=action, value=value
    )
