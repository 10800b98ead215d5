"""An agency with a Slack workspace: the real Bolt app behind the web application, the emulator, jobs run by hand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from slack_sdk.models.views import View
from sqlmodel import col, select

import tuneloop_bot.process  # noqa: F401  (registers the handlers of the chat queue)
from tests.support.factories import owner_of
from tests.support.runtime import silent_runtime
from tests.support.web_application import web_application
from tuneloop.email.hiding import put_back, unseal
from tuneloop.identity.secrets import hash_password
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState, Queue
from tuneloop.kit.jobs.runtime import Runtime
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency, AuditEvent, Mail, Membership, Password, Role, SlackInstallation, User
from tuneloop_bot.installations import begin_installation
from tuneloop_bot.message_sync import refresh
from tuneloop_local.emulators.slack.app import Emulator
from tuneloop_local.emulators.slack.client import EmulatorClient, EmulatorMessage
from tuneloop_local.emulators.slack.delivery import AppResponse, Signed

PASSWORD = "a password that is long enough"
_KNOWN = hash_password(PASSWORD)


def settings_for(emulator: Emulator, folder: Path) -> Settings:
    app = emulator.slack.state.app
    return Settings(
        data_dir=folder,
        secret_key=SecretStr("test"),
        public_url="http://tuneloop.test",
        slack_api_url=emulator.api_url,
        slack_authorize_url=f"{emulator.url}/oauth/v2/authorize",
        slack_client_id=app.client_id,
        slack_client_secret=SecretStr(app.client_secret),
        slack_signing_secret=SecretStr(app.signing_secret),
    )


@dataclass
class Office:
    """`people` are members of the agency who are in its workspace too, by name."""

    database: Database
    agency: Agency
    settings: Settings
    runtime: Runtime
    site: TestClient[Litestar]
    emulator: Emulator
    client: EmulatorClient
    team: str
    people: dict[str, str] = field(default_factory=dict)
    channel: str = ""

    def hire(self, name: str, role: Role, *, email: str | None = None) -> str:
        """A member with the same address in Slack."""
        address = email or f"{name.lower()}@{self.agency.slug}.example"
        with self.database.unit(self.agency.id) as session:
            user = User(email=address, name=name)
            session.add(user)
            session.flush()
            session.add_all([Membership(user_id=user.id, role=role), Password(user_id=user.id, password_hash=_KNOWN)])
        self.people[name] = self.client.person(self.team, name, address)
        return self.people[name]

    def sign_in(self, who: str) -> None:
        """From now on the site's browser is theirs."""
        email = self.email(who)
        self.site.cookies.clear()
        done = self.site.post("/sign-in", data={"email": email, "password": PASSWORD, "next": "/"})
        assert done.status_code == 200, done.text

    def email(self, who: str) -> str:
        with self.database.unit(self.agency.id) as session:
            colleagues = select(User.email).join(Membership, col(Membership.user_id) == User.id)
            return session.exec(colleagues.where(User.name == who)).one()

    def mailed(self, to: str, what: str) -> str:
        """What the last link of a mail to this person carries: `token=…`, as it is delivered."""
        with self.database.unit(self.agency.id) as session:
            query = select(Mail).where(Mail.recipient_email == self.email(to)).order_by(col(Mail.created_at).desc())
            mail = session.exec(query).first()
            assert mail is not None
            text = put_back(mail.text, unseal(mail.sealed_tokens, self.settings).tokens)
        return text.rpartition(what)[2].split()[0]

    def install(self, by: str) -> None:
        """Through Slack's consent, in one browser."""
        with self.database.unit(self.agency.id) as session:
            state = begin_installation(session, principal=owner_of(self.agency))
        consent = self.site.get("/slack/install", params={"state": state}, follow_redirects=False)
        back = self.client.allow(consent.headers["location"], team=self.team, user=self.people[by])
        answer = self.site.get(f"{urlsplit(back).path}?{urlsplit(back).query}", headers={"Accept": "text/html"})
        assert answer.status_code == 200, answer.text
        self.client.act("invite", team=self.team, channel=self.channel)

    def tick(self) -> None:
        """What the message sync does every two seconds, and the jobs that follow."""
        with self.database.unit(self.agency.id) as session:
            refresh(session, self.settings, at_once=True)
        self.work()

    def work(self) -> None:
        """Run what is due on the chat queue."""
        for _ in range(10):
            with self.database.unit(self.agency.id) as session:
                query = select(JobRow).where(JobRow.queue == Queue.CHAT, JobRow.state == JobState.QUEUED)
                jobs = [row.id for row in session.exec(query.order_by(col(JobRow.created_at)))]
            ran = 0
            for job in jobs:
                self.runtime.run(job)
                with self.database.unit(self.agency.id) as session:
                    ran += session.get_one(JobRow, job).state is not JobState.QUEUED
            if not ran:
                return

    def click(self, who: str, message: EmulatorMessage, action: str, *, value: str | None = None) -> None:
        self.client.act(
            "click",
            team=self.team,
            user=self.people[who],
            channel=message.channel,
            ts=message.ts,
            action=action,
            value=value,
        )
        self.work()

    def say(self, who: str, text: str) -> str:
        """A command; returns what only this person sees."""
        before = len(self.told(who))
        self.client.act("command", team=self.team, user=self.people[who], channel=self.channel, text=text)
        self.work()
        told = self.told(who)
        assert len(told) > before, "no answer"
        return shown(told[-1].content)

    def submit(self, who: str, **values: str) -> dict[str, Any]:
        """Send the modal that this person has open."""
        view = self.view(who)
        answer = self.client.act("submit", team=self.team, user=self.people[who], view=view["id"], values=values)
        self.work()
        return answer

    def view(self, who: str) -> dict[str, Any]:
        views = self.client.state()["teams"][self.team]["views"].values()
        found: dict[str, Any] = next(view for view in reversed(list(views)) if view["user"] == self.people[who])
        assert View(**found["body"]).to_dict(), "Slack's own models take it"
        return found

    def messages(self) -> list[EmulatorMessage]:
        return [each for each in self.client.messages(self.team) if "ephemeral_to" not in each.content]

    def told(self, who: str) -> list[EmulatorMessage]:
        """What only this person sees in channels."""
        return [
            each for each in self.client.messages(self.team) if each.content.get("ephemeral_to") == self.people[who]
        ]

    def audit(self) -> list[AuditEvent]:
        with self.database.unit(self.agency.id) as session:
            return list(session.exec(select(AuditEvent).order_by(col(AuditEvent.at))))

    def installation(self) -> SlackInstallation:
        with self.database.unit(self.agency.id) as session:
            return session.exec(select(SlackInstallation)).one()


def shown(content: dict[str, Any]) -> str:
    """Every word of a message, as Slack got it."""
    words: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            words.extend(value[name] for name in ("text", "alt_text") if isinstance(value.get(name), str))
            for name, each in value.items():
                if name != "text" or not isinstance(each, str):
                    collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)

    collect(content["blocks"] or content)
    return "\n".join(words)


def into(site: TestClient[Litestar]) -> Callable[[str, Signed], AppResponse]:
    """Slack's requests, straight into the web application."""

    def post(url: str, request: Signed) -> AppResponse:
        answer = site.post(urlsplit(url).path, content=request.body, headers=request.headers)
        return AppResponse(answer.status_code, answer.text)

    return post


@contextmanager
def web_of(settings: Settings, database: Database, storage: Storage) -> Iterator[TestClient[Litestar]]:
    with TestClient(web_application(settings, database, storage), base_url="http://tuneloop.test") as site:
        yield site


@contextmanager
def office(
    emulator: Emulator, database: Database, agency: Agency, storage: Storage, folder: Path, *, name: str = "North"
) -> Iterator[Office]:
    """Ann is admin, Otto and Olga are operators, Vera views; Ann has installed the app and it is in #general."""
    emulator.slack.state.app.request_url = "http://tuneloop.test/slack/events"
    settings = settings_for(emulator, folder)
    with web_of(settings, database, storage) as site:
        emulator.delivery.post = into(site)
        client = EmulatorClient(emulator.url)
        team = client.team(name)
        runtime = silent_runtime(database, storage, settings)
        made = Office(database, agency, settings, runtime, site, emulator, client, team)
        made.channel = client.channel(team, "general")
        for who, role in (("Ann", Role.ADMIN), ("Otto", Role.OPERATOR), ("Olga", Role.OPERATOR), ("Vera", Role.VIEWER)):
            made.hire(who, role)
        made.install("Ann")
        yield made
