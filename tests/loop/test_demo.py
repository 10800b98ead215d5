"""The demo's story on a running installation with a tiny base: through every process, to paid invoices."""

from collections.abc import Iterator
from io import StringIO
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from rich.console import Console

from tests.support.story import STORY, tiny_base
from tuneloop.kit.settings import Settings
from tuneloop_local.demo.ending import addresses, keep_summary, say_how_to_go_on
from tuneloop_local.demo.loop import play
from tuneloop_local.demo.month import PLANS
from tuneloop_local.demo.office import Office, open_office
from tuneloop_local.demo.show import Show
from tuneloop_local.emulators.smtp.box import Mailbox
from tuneloop_local.installation import installation
from tuneloop_local.ports import with_kept_ports, with_own_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Told(NamedTuple):
    office: Office
    summary: dict[str, Any]
    printed: str


@pytest.fixture(scope="module")
def told(engines_folder: Path) -> Iterator[Told]:
    folder = engines_folder / "demo"
    base = tiny_base(folder)
    printed = StringIO()
    show = Show(Console(file=printed, width=400))
    with installation(with_own_ports(Settings(data_dir=folder / "data", threads=1))) as (started, _):
        office = open_office(started, STORY, show, base)
        summary = play(office)
        say_how_to_go_on(office, show, keep_summary(started, "support", summary))
        yield Told(office, summary, printed.getvalue())


def test_users_corrections_train_but_for_those_that_measure_or_are_kept_for_the_gate(told: Told) -> None:
    collected = told.summary["collected"]
    assert collected["confirmed"] > 0
    assert collected["accepted"] > 0
    assert collected["kept_for_gate"] > 0
    examples = list(told.office.operator.pages(f"{told.office.path}/examples", pool="training"))
    corrected = [example for example in examples if example["source"] == "correction"]
    assert len(corrected) >= collected["accepted"]


def test_the_model_has_the_usual_policy_and_recipe(told: Told) -> None:
    model = told.office.operator.get(told.office.path)
    usual = {"overall_margin": 0.02, "strong_margin": 0.03, "category_margin": 0.1, "gate_share": 0.25}
    assert {name: model["policy"][name] for name in usual} == usual


def test_a_proven_candidate_answers_people_before_it_is_promoted_and_production_is_kept_otherwise(told: Told) -> None:
    tested, deployment = told.summary["ab_test"], told.summary["deployment"]
    if told.summary["verdict"]["outcome"] != "promote":
        assert (tested, deployment) == (None, {"kept": "acme/support@v1.0"})
        return
    arms = tested["reading"]["arms"]
    assert all(arm["reports"]["n"] > 0 and arm["accuracy"]["n"] > 0 for arm in arms.values())
    assert tested["state"] == "stopped"
    assert deployment["failed"] == 0


def test_three_clients_on_three_plans_get_report_mail_and_a_paid_invoice(told: Told) -> None:
    closed = told.summary["month_end"]
    assert {each["client"]: each["plan"] for each in closed} == PLANS
    assert [(each["mail"], each["paid"]) for each in closed] == [("sent", True)] * 3
    assert [each["amount"] for each in closed] == [400_000, 200_000, 75_000], "all labels were included in the plans"
    assert all(Path(each["report"]).read_bytes().startswith(b"%PDF-") for each in closed)
    assert all(each["invoice"] in told.printed for each in closed)
    box = Mailbox(told.office.settings.data_dir.resolve() / "mailbox")
    letters = [box.read(name) for name in box.names()]
    files = {part.filename: letter.envelope_to for letter in letters for part in letter.attachments}
    assert files == {f"{each['client']}-{each['month']}.pdf": each["recipient"] for each in closed}


def test_people_s_work_is_counted_and_kept_as_the_client_s(told: Told) -> None:
    work = told.summary["human_work"]
    assert work["labels"] > 0
    assert work["activities"]["deploy"]["clicks"] >= 2
    assert work["activities"]["report"]["clicks"] == 1
    assert f"{work['labels']} labels and {work['clicks']} clicks" in work["in_words"][0]
    entries = told.office.operator.get("/api/v1/clients/acme/work")
    assert {entry["activity"]: entry["seconds"] / 60 for entry in entries} == {
        activity: ceil(each["minutes"]) for activity, each in work["activities"].items() if activity != "report"
    }


def test_the_owner_can_sign_in_with_what_is_shown_and_the_pages_answer_on_ports_that_are_kept(told: Told) -> None:
    settings, owner = told.office.settings, told.office.owner
    assert f"sign in as {owner.email}, password {owner.password}" in told.printed
    assert owner.password not in (settings.data_dir / "demo-support.json").read_text()
    with httpx.Client(base_url=settings.site_url, timeout=30) as browser:
        form = {"email": owner.email, "password": owner.password}
        assert browser.post("/sign-in", data=form, headers={"Origin": settings.site_url}).status_code == 303
        assert browser.get("/models/acme/support").status_code == 200
    for address in addresses(settings).values():
        assert address in told.printed
        assert httpx.get(address, headers={"Accept": "text/html"}, follow_redirects=True, timeout=30).is_success
    again = with_kept_ports(Settings(data_dir=settings.data_dir))
    assert addresses(again) == addresses(settings)
