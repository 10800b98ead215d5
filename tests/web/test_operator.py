"""An operator's day, with real clicks: from the portfolio to a decision, by mouse and by keyboard."""

import re

import pytest
from playwright.sync_api import Browser, expect
from sqlmodel import select

from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed
from tests.support.factories import owner_of
from tests.support.people import add_member
from tests.support.showcase import Showcase, run_ab_test
from tests.support.site import PASSWORD
from tuneloop.tables import (
    AbState,
    AbTest,
    Alert,
    AlertState,
    ApiKey,
    Approval,
    AuditEvent,
    CycleState,
    Decision,
    RetrainingCycle,
    Role,
)


def _approval(studio: Committed, cycle_id: object) -> Approval:
    with studio.database.unit(studio.agency.id) as session:
        query = select(Approval).where(Approval.cycle_id == cycle_id)
        return max(session.exec(query), key=lambda each: each.requested_at)


def test_from_the_portfolio_over_model_and_alert_to_the_question(owner: Visitor, shown: Showcase) -> None:
    page = owner.page
    expect(page.get_by_text("6 models. 4 need a look.")).to_be_visible()
    page.get_by_role("row", name="Northwind Outfitters").get_by_role("link", name="Northwind Outfitters").click()
    expect(page.get_by_role("heading", name="Northwind Outfitters support", level=1)).to_be_visible()
    expect(page.get_by_text("10 points").first).to_be_visible()
    page.get_by_role("link", name="Accuracy alert").click()
    expect(page.get_by_role("heading", name="Accuracy alert")).to_be_visible()
    expect(page.get_by_role("row", name="warranty")).to_contain_text("33 %")
    page.get_by_role("link", name="Cycle of").click()
    expect(page.get_by_role("heading", name="Promote v1.3?")).to_be_visible()
    page.get_by_role("link", name="Side by side").click()
    expect(page.get_by_role("row", name="Overall accuracy")).to_contain_text("n = 150")
    expect(page.get_by_role("article")).to_have_count(22)


def test_a_candidate_is_tested_on_people_and_the_test_is_stopped(
    operator: Visitor, studio: Committed, shown: Showcase
) -> None:
    page = operator.page
    page.goto(f"/cycles/{shown.promotion_id}")
    page.get_by_label("Share of the questions, %").fill("10")
    page.get_by_role("button", name="Start a shadow test").click()
    expect(page.get_by_role("status").first).to_contain_text("The candidate answers 10% of the questions too")
    expect(page.get_by_role("button", name="Stop the shadow test")).to_be_visible()
    page.get_by_label("Share of the people, %").fill("30")
    page.get_by_role("button", name="Start an A/B test").click()
    expect(page.get_by_role("status").first).to_contain_text("The candidate gets 30% of the people")
    with studio.database.unit(studio.agency.id) as session:
        run_ab_test(session, shown.promotion_id)
    page.reload()
    expect(page.get_by_text("an A/B test of the candidate began").first).to_be_visible()
    expect(page.get_by_role("row", name="Right answers")).to_contain_text("n = 40")
    expect(page.get_by_text("40 labels an arm can prove a fall of about")).to_be_visible()
    assert operator.overflow() == 0
    page.get_by_role("button", name="Stop the A/B test").click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status").first).to_contain_text("Production answers everybody")
    with studio.database.unit(studio.agency.id) as session:
        test = session.exec(select(AbTest)).one()
        assert (test.state, test.share, test.ended_by) == (AbState.STOPPED, 0.3, "Operator Smith")


def test_a_promotion_against_the_gate_takes_an_admin_and_a_reason(
    owner: Visitor, operator: Visitor, studio: Committed, shown: Showcase
) -> None:
    operator.page.goto(f"/cycles/{shown.promotion_id}")
    expect(operator.page.get_by_role("button", name="Reject")).to_be_visible()
    expect(operator.page.get_by_role("button", name="Promote against the gate")).to_have_count(0)

    page = owner.page
    page.goto(f"/cycles/{shown.promotion_id}")
    page.get_by_role("button", name="Promote against the gate").click()
    assert page.get_by_label("Reason for the override").evaluate("field => field.validity.valueMissing")
    page.get_by_label("Reason for the override").fill("   ")
    page.get_by_role("button", name="Promote against the gate").click()
    expect(page.get_by_role("alert")).to_contain_text("give a reason to override it")
    assert _approval(studio, shown.promotion_id).decision is None

    page.get_by_label("Reason for the override").fill("The client asked <b>today</b>; warranty is what they see.")
    page.get_by_role("button", name="Promote against the gate").click()
    expect(page.get_by_role("status").first).to_contain_text("Promoted")
    expect(page.get_by_text("The client asked <b>today</b>").first).to_be_visible()
    assert _approval(studio, shown.promotion_id).decision is Decision.APPROVED
    with studio.database.unit(studio.agency.id) as session:
        overrides = session.exec(select(AuditEvent).where(AuditEvent.action == "gate.override")).all()
    assert [event.actor_name for event in overrides] == ["Owner Smith"]
    noticed = operator.page.get_by_role("button", name="Reject")
    expect(noticed).to_have_count(0, timeout=20_000)  # nobody has reloaded that page


def _keys(studio: Committed) -> int:
    with studio.database.unit(studio.agency.id) as session:
        return len(session.exec(select(ApiKey)).all())


def test_a_key_is_made_once_and_shown_once_however_often_the_page_is_reloaded(
    owner: Visitor, studio: Committed
) -> None:
    page = owner.page
    for path, button in (("/models/northwind/support/connect", "Make a key"), ("/keys", "Make key")):
        before = _keys(studio)
        page.goto(path)
        if path == "/keys":
            page.get_by_label("Name").fill("once")
            page.get_by_label("Confined to").select_option("northwind")
        page.get_by_role("button", name=button).click()
        expect(page.locator("#token")).to_be_visible()
        page.reload()
        expect(page).to_have_url(re.compile(f"{path}$"))
        expect(page.locator("#token")).to_have_count(0)
        assert _keys(studio) == before + 1


def test_a_retrain_is_approved_by_keyboard_alone(operator: Visitor, studio: Committed, shown: Showcase) -> None:
    page = operator.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.get_by_role("link", name="Approve the retrain of Bluebird Clinics triage").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Approve this retrain?")).to_be_visible()
    page.get_by_label("Note").focus()
    page.keyboard.type("go")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Approve retrain")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Training starts")
    with studio.database.unit(studio.agency.id) as session:
        assert session.get_one(RetrainingCycle, shown.retrain_id).state is CycleState.APPROVED
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()


def test_a_second_approval_says_who_was_first(operator: Visitor, owner: Visitor, shown: Showcase) -> None:
    """Both look at the same question; the second click comes too late."""
    cycle = f"/cycles/{shown.first_training_id}"
    for person in (operator, owner):
        person.page.goto(cycle)
    operator.page.get_by_role("button", name="Reject").click()
    expect(operator.page.get_by_role("status").first).to_contain_text("Rejected")
    owner.page.get_by_role("button", name="Approve retrain").click()
    expect(owner.page.get_by_role("alert")).to_contain_text("already rejected by Operator Smith")


def test_an_alert_is_snoozed_then_dismissed_with_reasons(operator: Visitor, studio: Committed, shown: Showcase) -> None:
    page = operator.page
    page.goto(f"/alerts/{shown.warning_id}")
    page.locator("summary", has_text="Snooze").click()
    page.get_by_label("Days to be quiet").fill("3")
    page.get_by_label("Reason", exact=True).fill("Labels are coming on Monday.")
    page.get_by_role("button", name="Snooze").click()
    expect(page.get_by_role("status").first).to_contain_text("Quiet until")
    expect(page.get_by_text("Labels are coming on Monday.").first).to_be_visible()
    page.locator("summary", has_text="Dismiss").click()
    page.get_by_label("Why it was no problem").fill("A holiday, not a fall.")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("A holiday, not a fall.").first).to_be_visible()
    expect(page.get_by_role("heading", name="What to do")).to_have_count(0)
    with studio.database.unit(studio.agency.id) as session:
        alert = session.get_one(Alert, shown.warning_id)
    assert (alert.state, alert.resolved_by) == (AlertState.DISMISSED, "Operator Smith")


def test_a_schedule_is_changed_paused_and_given_back_to_the_suggestion(operator: Visitor, shown: Showcase) -> None:
    page = operator.page
    page.get_by_role("link", name="Schedules").click()
    row = page.get_by_role("row", name="Retrain").filter(has_text="Northwind Outfitters support")
    row.get_by_text("Change").click()
    row.get_by_label("Every how many days").fill("10")
    row.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("every 10 days from then on")
    expect(row).to_contain_text("in 9 days")
    expect(row).to_contain_text("every 10 days")
    expect(row).to_contain_text("set by hand; suggested: every 30 days")
    row.get_by_text("Change").click()
    row.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_have_text("The retrain is paused.")
    expect(row).to_contain_text("paused")
    row.get_by_text("Change").click()
    row.get_by_role("button", name="As suggested").click()
    expect(row).to_contain_text("as suggested")


def test_a_rollback_asks_once_more(operator: Visitor, shown: Showcase) -> None:
    page = operator.page
    page.goto("/models/northwind/support/versions")
    page.get_by_role("button", name="Roll back to v1.1").click()
    dialog = page.get_by_role("dialog", name="Sure?")
    expect(dialog).to_contain_text("Put v1.1 back into production?")
    dialog.get_by_role("button", name="No").click()
    expect(page.get_by_role("row", name="v1.2 production")).to_be_visible()
    page.get_by_role("button", name="Roll back to v1.1").click()
    dialog.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status").first).to_contain_text("v1.1 is in production again.")
    expect(page.get_by_role("row", name="v1.1 production")).to_be_visible()
    page.get_by_role("button", name="Roll back to v1.2").click()
    dialog.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("row", name="v1.2 production")).to_be_visible()


def test_people_and_keys_are_managed_by_admins(owner: Visitor, address: str, studio: Committed) -> None:
    page = owner.page
    with studio.database.unit(studio.agency.id) as session:
        add_member(
            session,
            principal=owner_of(studio.agency),
            email="kim@studio.example",
            name="Kim <script>alert(1)</script>",
            role=Role.OPERATOR,
            password=PASSWORD,
        )
    page.get_by_role("link", name="Members").click()
    row = page.get_by_role("row", name="Kim <script>alert(1)</script>")
    expect(row).to_be_visible()
    row.get_by_role("combobox").select_option("viewer")
    row.get_by_role("button", name="Change").click()
    expect(page.get_by_role("status").first).to_contain_text("is viewer now")
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("Name").fill("northwind app")
    page.get_by_label("May").select_option("viewer")
    page.get_by_label("Confined to").select_option("northwind")
    page.get_by_role("button", name="Make key").click()
    key = page.locator("#token").inner_text()
    answer = owner.context.request.get(f"{address}/api/v1/clients", headers={"Authorization": f"Bearer {key}"})
    assert [client["slug"] for client in answer.json()] == ["northwind"]
    page.goto("/keys")
    expect(page.locator("#token")).to_have_count(0)
    page.get_by_role("button", name="Revoke northwind app").click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_text("it stops working at once").first).to_be_visible()
    refused = owner.context.request.get(f"{address}/api/v1/clients", headers={"Authorization": f"Bearer {key}"})
    assert refused.status == 401


@pytest.mark.parametrize(
    ("role", "seen", "hidden"),
    [
        (Role.VIEWER, ["Northwind Outfitters", "Harbor Legal"], ["Audit", "Members", "API keys"]),
        (Role.CLIENT_VIEWER, ["Northwind Outfitters"], ["Harbor Legal", "Jobs", "Audit", "Members"]),
    ],
)
def test_everybody_sees_what_their_role_may(
    browser: Browser, address: str, emails: dict[Role, str], role: Role, seen: list[str], hidden: list[str]
) -> None:
    with visitor(browser, address) as person:
        page = person.sign_in(emails[role], PASSWORD)
        expect(page.get_by_role("heading", name="Portfolio")).to_be_visible()
        for name in seen:
            expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
        for name in hidden:
            expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
        page.goto("/models/northwind/support")
        expect(page.get_by_role("button", name="Propose a retrain")).to_have_count(0)
