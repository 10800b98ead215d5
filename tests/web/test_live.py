"""What moves while one looks: training as it goes, and two versions that answer a prompt."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import visitor
from tests.support.committed import Committed
from tests.support.showcase import Showcase
from tests.support.site import PASSWORD
from tests.support.upstream import ScriptedEngine, scripted_engine
from tuneloop.kit.jobs import JobRow
from tuneloop.registry.service import aliases
from tuneloop.retraining.service import fail_cycle
from tuneloop.tables import Alias, BaseModel, RetrainingCycle, Role


@pytest.fixture
def upstream() -> Iterator[ScriptedEngine]:
    with scripted_engine() as started:
        yield started


def test_training_is_followed_without_reloading(
    browser: Browser, address: str, studio: Committed, shown: Showcase, emails: dict[Role, str]
) -> None:
    with visitor(browser, address) as person:
        page = person.sign_in(emails[Role.VIEWER], PASSWORD)
        page.goto(f"/cycles/{shown.training_id}")
        live = page.get_by_role("region", name="Now")
        expect(live.get_by_text("training, step 40 of 120, 2 min left")).to_be_visible()
        expect(live.get_by_role("img", name="Training loss by step").locator("svg")).to_be_visible()
        with studio.database.unit(studio.agency.id) as session:
            cycle = session.get_one(RetrainingCycle, shown.training_id)
            assert cycle.job_id is not None
            job = session.get_one(JobRow, cycle.job_id)
            job.progress = {**job.progress, "step": 90, "seconds_left": 30.0}
            session.add(job)
        expect(live.get_by_text("training, step 90 of 120, 30 s left")).to_be_visible()
        expect(live.get_by_role("progressbar")).to_have_attribute("value", "0.75")
        with studio.database.unit(studio.agency.id) as session:
            fail_cycle(
                session,
                cycle_id=shown.training_id,
                attempt=1,
                reason="The disk is full; free some space and try again.",
            )
        expect(page.get_by_role("alert")).to_have_text("The disk is full; free some space and try again.")
        expect(live).to_have_count(0)


def test_both_versions_answer_a_prompt_at_once_and_literally(
    browser: Browser,
    address: str,
    studio: Committed,
    shown: Showcase,
    emails: dict[Role, str],
    upstream: ScriptedEngine,
) -> None:
    with studio.database.all_agencies() as session:
        session.get_one(BaseModel, shown.northwind.base_id).upstream_url = upstream.url
        named = aliases(session, shown.northwind.id)
    upstream.answers = {named[Alias.PRODUCTION].digest: "refund", named[Alias.CANDIDATE].digest: "<b>warranty</b>"}
    with visitor(browser, address) as person:
        page = person.sign_in(emails[Role.OPERATOR], PASSWORD)
        page.goto(f"/cycles/{shown.promotion_id}/compare")
        page.get_by_role("textbox", name="Prompt").fill("Is my torn seam covered?")
        page.get_by_role("button", name="Ask both").click()
        expect(page.get_by_role("heading", name="Production northwind/support@v1.2")).to_be_visible()
        expect(page.locator("#answers ins")).to_have_text(["<b>warranty</b>"])
        expect(page.locator("#answers del")).to_have_text(["refund"])
