"""What a Slack knows: workspaces with their people, channels, messages, views and files, and the app's tokens."""

from secrets import token_hex
from threading import RLock
from time import time
from typing import Any

from pydantic import BaseModel, Field

from tuneloop_local.emulators.slack.refusals import Refused

RESPONSE_SECONDS = 1800.0
RESPONSE_USES = 5
TOKEN_SECONDS = 43_200


class Person(BaseModel):
    id: str
    name: str
    email: str
    confirmed: bool = True
    bot: bool = False
    deleted: bool = False
    restricted: bool = False


class Channel(BaseModel):
    id: str
    name: str
    members: list[str]
    direct: bool = False
    private: bool = False
    archived: bool = False


class View(BaseModel):
    id: str
    user: str
    hash: str
    body: dict[str, Any]
    previous: str | None = None
    errors: dict[str, str] = {}


class File(BaseModel):
    id: str
    name: str
    length: int
    title: str = ""
    content: str = Field(default="", description="hex")
    complete: bool = False


class Team(BaseModel):
    id: str
    name: str
    people: dict[str, Person] = {}
    channels: dict[str, Channel] = {}
    messages: list[dict[str, Any]] = []
    homes: dict[str, dict[str, Any]] = {}
    views: dict[str, View] = {}
    files: dict[str, File] = {}
    notices: list[dict[str, Any]] = []
    bot_user: str | None = None
    deactivated: bool = False

    def person(self, user: str) -> Person:
        if user not in self.people:
            raise Refused("user_not_found")
        return self.people[user]

    def channel(self, channel: str) -> Channel:
        if channel not in self.channels:
            raise Refused("channel_not_found")
        return self.channels[channel]

    def direct(self, user: str) -> Channel:
        """The conversation of the app with one person."""
        self.person(user)
        for each in self.channels.values():
            if each.direct and user in each.members:
                return each
        channel = Channel(id=new_id("D"), name=user, members=[user, self.bot_user or ""], direct=True)
        self.channels[channel.id] = channel
        return channel

    def message(self, channel: str, ts: str) -> dict[str, Any]:
        for each in self.messages:
            if each["channel"] == channel and each["ts"] == ts:
                return each
        raise Refused("message_not_found")


class Token(BaseModel):
    team: str
    scopes: list[str]
    expires_at: float | None = None


class Grant(BaseModel):
    """A code of the OAuth flow, or a refresh token."""

    team: str
    user: str
    scopes: list[str]
    redirect_uri: str = ""


class ModalTrigger(BaseModel):
    team: str
    user: str
    expires_at: float
    used: bool = False


class Response(BaseModel):
    """Where a `response_url` leads."""

    team: str
    user: str
    channel: str
    message_ts: str | None
    expires_at: float
    left: int = RESPONSE_USES


class Limit(BaseModel):
    """The next `times` calls of a method are answered with `status`."""

    method: str
    status: int = 429
    retry_after: int = 1
    times: int = 1


class App(BaseModel):
    """The one app that is known here, with what a real one has on its settings page."""

    id: str = "A0TUNELOOP"
    client_id: str = "1000.2000"
    client_secret: str = Field(default_factory=token_hex)
    signing_secret: str = Field(default_factory=token_hex)
    app_token: str = Field(default_factory=lambda: f"xapp-{token_hex(16)}")
    request_url: str = ""
    rotation: bool = True
    trigger_seconds: float = 3.0


class State(BaseModel):
    app: App = App()
    teams: dict[str, Team] = {}
    tokens: dict[str, Token] = {}
    codes: dict[str, Grant] = {}
    refresh: dict[str, Grant] = {}
    triggers: dict[str, ModalTrigger] = {}
    responses: dict[str, Response] = {}
    limits: list[Limit] = []
    revision: int = 0
    clock: float = Field(default=0.0, description="ts of the newest message: they only grow")


class Slack:
    """The state behind one lock; `changed` counts what a page needs to show again."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or State()
        self.lock = RLock()

    def team(self, team: str) -> Team:
        if team not in self.state.teams:
            raise Refused("team_not_found")
        return self.state.teams[team]

    def add_team(self, name: str, *, team: str | None = None) -> Team:
        made = Team(id=team or new_id("T"), name=name)
        general = Channel(id=new_id("C"), name="general", members=[])
        made.channels[general.id] = general
        self.state.teams[made.id] = made
        return made

    def add_person(self, team: str, name: str, email: str, *, confirmed: bool = True) -> Person:
        person = Person(id=new_id("U"), name=name, email=email, confirmed=confirmed)
        home = self.team(team)
        home.people[person.id] = person
        for channel in home.channels.values():
            if not channel.direct and not channel.private:
                channel.members.append(person.id)
        return person

    def add_channel(self, team: str, name: str, *, private: bool = False) -> Channel:
        home = self.team(team)
        people = [person.id for person in home.people.values()]
        channel = Channel(id=new_id("C"), name=name, members=people, private=private)
        home.channels[channel.id] = channel
        return channel

    def next_ts(self) -> str:
        self.state.clock = max(time(), self.state.clock + 0.000_1)
        return f"{self.state.clock:.6f}"

    def new_trigger(self, team: str, user: str) -> str:
        trigger = f"{new_id('')}.{token_hex(8)}"
        self.state.triggers[trigger] = ModalTrigger(
            team=team, user=user, expires_at=time() + self.state.app.trigger_seconds
        )
        return trigger

    def use_trigger(self, trigger: str, team: str) -> ModalTrigger:
        found = self.state.triggers.get(trigger)
        if found is None or found.team != team:
            raise Refused("invalid_trigger_id")
        if found.expires_at < time():
            raise Refused("expired_trigger_id")
        if found.used:
            raise Refused("exchanged_trigger_id")
        found.used = True
        return found

    def notice(self, team: str, user: str, text: str) -> None:
        """What Slack itself tells a person, such as that an app did not answer."""
        self.team(team).notices.append({"user": user, "text": text, "ts": self.next_ts()})


def new_id(kind: str) -> str:
    return kind + token_hex(5).upper()
