"""A/B tests from Slack: offered where the plan has one or a price, started and stopped once, reported when they end."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import Session, col, select

from tests.bot.office import Office, shown
from tests.support.billing import billing_rows
from tests.support.cycles import Workshop
from tuneloop.ab_tests.figures import ArmCounts, Judged, figures
from tuneloop.ab_tests.service import begin
from tuneloop.kit.clock import now
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import lock_model
from tuneloop.retraining.live_test import end_live_test
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    AbState,
    AbTest,
    Approval,
    JobRow,
    MaintenancePlan,
    RegisteredModel,
    ServiceUse,
    Subscription,
)
from tuneloop_bot.message_sync import ask_again
from tuneloop_local.emulators.slack.client import EmulatorMessage


def _judged(north: Office, workshop: Workshop, outcome: str = Outcome.PROMOTE) -> UUID:
    with north.database.unit(north.agency.id) as session:
        cycle_id = workshop.judged(session, outcome)
    north.tick()
    return cycle_id


def _with(north: Office, action: str) -> EmulatorMessage:
    return [each for each in north.messages() if action in each.actions][-1]


def _together(north: Office, message: EmulatorMessage, action: str, *people: str) -> None:
    """Clicks that are on their way before the first is answered."""
    for who in people:
        north.client.act(
            "click",
            team=north.team,
            user=north.people[who],
            channel=message.channel,
            ts=message.ts,
            action=action,
        )
    north.work()


def _tests(north: Office) -> list[AbTest]:
    with north.database.unit(north.agency.id) as session:
        return list(session.exec(select(AbTest).order_by(col(AbTest.created_at))))


def _run(north: Office) -> None:
    """What the worker does, with a reading of twelve labels an arm."""
    with north.database.unit(north.agency.id) as session:
        system = Principal.system(north.agency.id, "worker")
        test = session.exec(select(AbTest).where(AbTest.state == AbState.STARTING)).one()
        begin(session, principal=system, test_id=test.id)
        right, wrong = Judged(correct=True, hallucinated=False), Judged(correct=False, hallucinated=False)
        production = ArmCounts(answers=90, people=80, reporting=3, labelled=[right] * 10 + [wrong] * 2)
        candidate = ArmCounts(answers=30, people=20, reporting=1, labelled=[right] * 11 + [wrong])
        test.reading = dict(figures(production, candidate, share=test.share))
    north.tick()


def _subscribe(north: Office, workshop: Workshop, *, tests: int, price: int) -> None:
    with north.database.unit(north.agency.id) as session:
        for row in billing_rows(session, north.agency, workshop.client):
            if isinstance(row, MaintenancePlan):
                row.entitlements = row.entitlements | {"ab_tests": tests, "quorum": 1}
                row.extras = row.extras | {"ab_test": price}
            if isinstance(row, MaintenancePlan | Subscription):
                session.add(row)
                session.flush()


def test_a_test_runs_in_a_message_of_its_own_and_stops_once(north: Office, workshop: Workshop) -> None:
    _judged(north, workshop)
    candidate = _with(north, "start_ab")
    _together(north, candidate, "start_ab", "Otto", "Olga", "Otto")
    assert len(_tests(north)) == 1
    assert "The candidate gets 20% of the people" in shown(north.told("Otto")[0].content)
    assert "started by Otto" in shown(north.told("Olga")[-1].content)
    _run(north)
    with north.database.unit(north.agency.id) as session:
        ask_again(session, north.settings, at=now() + timedelta(days=16), slack=True)
        assert session.exec(select(Approval)).one().reminded_at is None
    running = _with(north, "stop_ab")
    assert running.ts != candidate.ts
    assert running.actions == ["promote", "reject", "stop_ab"]
    words = shown(running.content)
    assert "A/B test of acme/support@v1.1" in words
    assert "92 % (65\u201399 %, n=12)" in words
    assert "12 labels an arm can prove" in words
    assert "start_ab" not in [action for each in north.messages() for action in each.actions]
    _together(north, running, "stop_ab", "Vera", "Olga", "Otto")
    assert "this needs the role operator" in shown(north.told("Vera")[-1].content)
    assert "already stopped by Olga" in shown(north.told("Otto")[-1].content)
    (over,) = [each for each in north.messages() if each.ts == running.ts]
    assert "Stopped; all traffic is production's" in shown(over.content)
    assert over.actions == ["promote", "start_ab", "reject"]
    with north.database.unit(north.agency.id) as session:
        ask_again(session, north.settings, at=now() + timedelta(hours=40), slack=True)
        assert session.exec(select(Approval)).one().reminded_at is not None
    told = [event.action for event in north.audit() if event.action.startswith("ab_test.")]
    assert told == ["ab_test.start", "ab_test.running", "ab_test.stopped"]


def test_beyond_the_plan_a_test_has_its_price_on_the_button_and_is_ordered_by_the_click(
    north: Office, workshop: Workshop
) -> None:
    _subscribe(north, workshop, tests=0, price=25_000)
    _judged(north, workshop)
    candidate = _with(north, "start_ab")
    assert "Start A/B (250.00 USD extra)" in shown(candidate.content)
    with north.database.unit(north.agency.id) as session:
        plan = session.exec(select(MaintenancePlan)).one()
        plan.extras = plan.extras | {"ab_test": 30_000}
    north.click("Otto", candidate, "start_ab")
    assert "price of an extra ab test has changed" in shown(north.told("Otto")[-1].content)
    north.tick()
    _together(north, _with(north, "start_ab"), "start_ab", "Otto", "Olga")
    with north.database.unit(north.agency.id) as session:
        (use,) = session.exec(select(ServiceUse).where(ServiceUse.feature == "ab_test")).all()
        assert (use.state, use.unit_price, use.decided_by) == ("used", 30_000, "Otto")
    assert len(_tests(north)) == 1


def test_a_plan_with_neither_a_test_nor_a_price_has_no_button(north: Office, workshop: Workshop) -> None:
    with north.database.unit(north.agency.id) as session:
        for row in billing_rows(session, north.agency, workshop.client):
            if isinstance(row, MaintenancePlan):
                row.extras = {}
            if isinstance(row, MaintenancePlan | Subscription):
                session.add(row)
                session.flush()
    _judged(north, workshop)
    assert _with(north, "promote").actions == ["promote", "reject"]


@pytest.mark.parametrize(
    ("outcome", "actions"),
    [
        (Outcome.REJECT, ["reject", "override"]),
        (Outcome.NEED_MORE_LABELS, ["start_ab", "reject", "override"]),
    ],
)
def test_a_harmful_candidate_is_not_offered_for_a_test(
    north: Office, workshop: Workshop, outcome: Outcome, actions: list[str]
) -> None:
    _judged(north, workshop, outcome)
    assert _with(north, "reject").actions == actions


def test_what_a_guardrail_has_stopped_is_told_without_anybody_asking(north: Office, workshop: Workshop) -> None:
    _judged(north, workshop)
    north.click("Otto", _with(north, "start_ab"), "start_ab")
    _run(north)
    with north.database.unit(north.agency.id) as session:
        _stop_for_harm(session, north, workshop.model)
    north.tick()
    (message,) = [each for each in north.messages() if "A/B test of" in shown(each.content)]
    assert "By `the guardrail`" in shown(message.content)
    assert "harm is proven: more people report errors" in shown(message.content)
    north.click("Olga", message, "promote")
    with north.database.unit(north.agency.id) as session:
        assert [job.name for job in session.exec(select(JobRow)) if job.name == "retraining.deploy"]


def _stop_for_harm(session: Session, north: Office, model: RegisteredModel) -> None:
    lock_model(session, model)
    end_live_test(
        session,
        model_id=model.id,
        principal=Principal.system(north.agency.id, "worker"),
        state=AbState.STOPPED,
        reason="harm is proven: more people report errors",
        by="the guardrail",
    )
