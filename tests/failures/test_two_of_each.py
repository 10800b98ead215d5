"""Two of each process at once: whatever both could do is done once."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest
from rich.console import Console

from tests.failures.figures import figure
from tests.failures.installation import DEFAULT, GPU, SLOW
from tests.gateway.waiting import eventually
from tests.support.ports import free_port, on_free_ports
from tests.support.story import STORY, tiny_base
from tuneloop.kit.settings import Settings
from tuneloop.predictions.completion_ids import prediction_id
from tuneloop_local.demo.api import App
from tuneloop_local.demo.cycles import train_first
from tuneloop_local.demo.month import Closed, close_month
from tuneloop_local.demo.office import Office, open_office
from tuneloop_local.demo.show import Show
from tuneloop_local.emulators.slack.client import EmulatorClient
from tuneloop_local.installation import environment_of, installation, wait_ready
from tuneloop_local.supervisor import Supervisor

pytestmark = [pytest.mark.failure_case(26), pytest.mark.timeout(3600)]

SECOND = (("scheduler",), DEFAULT, SLOW, GPU, ("bot",), ("web",))
QUESTIONS = 20
TWICE = "select count(*) from (select 1 from {} group by {} having count(*) > 1) as twice"


class Told(NamedTuple):
    """`given` are the answers of both web processes."""

    office: Office
    closed: list[Closed]
    given: list[str]

    def count(self, query: str) -> int:
        """One number of the database, read past both walls."""
        with psycopg.connect(self.office.settings.migration_url, autocommit=True) as owner:
            row = owner.execute(query).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def another_of_each(settings: Settings) -> Iterator[str]:
    """At the same engines; the address of its web process."""
    other = settings.model_copy(update={"web_port": free_port()})
    supervisor = Supervisor(SECOND, environment_of(other), settings.data_dir / "logs-of-the-second")
    supervisor.start()
    try:
        wait_ready(f"{other.web_url}/readyz")
        yield other.web_url
    finally:
        supervisor.stop()


@pytest.fixture(scope="module")
def told(engines_folder: Path) -> Iterator[Told]:
    folder = engines_folder / "two-of-each"
    folder.mkdir()
    base, show = tiny_base(folder), Show(Console(file=StringIO()))
    ready = on_free_ports(Settings(data_dir=folder / "data", threads=1))
    with installation(ready) as (started, _), another_of_each(started) as other:
        office = open_office(started, STORY, show, base)
        train_first(office)
        key = office.operator.post("/api/v1/keys", {"name": "second app", "role": "viewer", "client": "acme"})["key"]
        apps = (office.app, App(other, key, office.name))
        given = [app.ask(item).completion_id for item in STORY.stream[:QUESTIONS] for app in apps]
        yield Told(office, close_month(started, office.operator, STORY, show, office.ledger), given)


def at_stripe(office: Office) -> list[dict[str, Any]]:
    """Every invoice of the agency's account."""
    settings = office.settings
    wanted = office.operator.get("/api/v1/billing")["stripe_account"]
    accounts = json.loads((settings.data_dir / "stripe-emulator.json").read_text())
    (key,) = [each["key"] for each in accounts if each["id"] == wanted]
    address, headers = f"{settings.stripe_emulator_url}/v1/invoices", {"Authorization": f"Bearer {key}"}
    answer = httpx.get(address, params={"limit": 100}, headers=headers)
    found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return found


def test_each_decision_answer_message_mail_and_invoice_is_there_once(told: Told) -> None:
    steps = "job where name in ('retraining.train', 'retraining.evaluate', 'retraining.deploy')"
    assert told.count(TWICE.format(steps, "name, args->>'cycle_id'")) == 0
    assert told.count("select count(*) from job where attempts > 1") == 0, "nothing was done by both"
    assert told.count("select count(*) from audit_event where action = 'version.deploy'") == 1
    ids = ",".join(f"'{prediction_id(each)}'" for each in told.given)
    eventually(lambda: told.count(f"select count(*) from prediction where id in ({ids})") == len(told.given))

    delivered = "mail_attempt where outcome = 'sent'"
    assert told.count(TWICE.format(delivered, "mail_id")) == 0
    reports = "select count(*) from mail_attempt join mail on mail.id = mail_id where subject_kind = 'report'"
    assert told.count(reports) == len(told.closed)

    posted = Counter(
        message["metadata"]["event_payload"]["message"]
        for team in EmulatorClient(told.office.settings.slack_emulator_url).state()["teams"].values()
        for message in team["messages"]
        if "metadata" in message
    )
    assert posted
    assert set(posted.values()) == {1}

    invoices = Counter(
        (each["customer"], each["billing_reason"], each["period_start"], each["period_end"])
        for each in at_stripe(told.office)
    )
    assert set(invoices.values()) == {1}
    assert len(invoices) >= len(told.closed)
    figure(
        26,
        f"two of each process: {told.count('select count(*) from job')} jobs of "
        f"{told.count('select count(distinct worker) from job')} processes, {len(told.given)} answers, {len(posted)} "
        f"messages, {len(told.closed)} ends of a month, {len(invoices)} invoices: each once",
    )
