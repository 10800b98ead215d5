"""Two people in the same moment, Slack's repeats in between: one outcome, with real connections and commits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import Session, col, select

from tests.bot.crowd import Everybody, click_together, take_together
from tests.bot.office import Office, shown
from tests.bot.test_commands import add_training
from tests.bot.test_lifetime import expire
from tests.support.factories import owner_of
from tuneloop.identity.service import members, remove_member
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import JobRow
from tuneloop.registry.service import aliases, point
from tuneloop.retraining.approvals import questions, votes
from tuneloop.retraining.jobs import DeployCandidate, TrainCandidate
from tuneloop.tables import (
    Alias,
    ApprovalKind,
    AuditEvent,
    Client,
    CycleState,
    Decision,
    Plan,
    RetrainingCycle,
    SlackReceipt,
)
from tuneloop_local.emulators.slack.client import EmulatorMessage

ROUNDS = 3
OTHER = {"Otto": "Olga", "Olga": "Otto"}


def _jobs(session: Session, name: str, cycle_id: UUID) -> int:
    rows = session.exec(select(JobRow).where(JobRow.name == name)).all()
    return len([row for row in rows if row.args["cycle_id"] == str(cycle_id)])


def _happened(session: Session, action: str) -> list[AuditEvent]:
    return list(session.exec(select(AuditEvent).where(AuditEvent.action == action).order_by(col(AuditEvent.at))))


def _posted(everybody: Everybody, make: Callable[[Session], UUID], action: str) -> tuple[UUID, EmulatorMessage]:
    """Make a subject, and find the message about it."""
    with everybody.database.unit(everybody.agency.id) as session:
        subject = make(session)
    everybody.north.tick()
    return subject, everybody.north.client.with_action(everybody.north.team, action)


def _end(everybody: Everybody, cycle_id: UUID) -> None:
    with everybody.database.unit(everybody.agency.id) as session:
        session.get_one(RetrainingCycle, cycle_id).state = CycleState.FAILED


def _told(north: Office, who: str, words: str) -> bool:
    return any(words in shown(each.content) for each in north.told(who))


@pytest.mark.failure_case(5)
def test_whatever_arrives_at_once_has_one_outcome(everybody: Everybody) -> None:
    database, agency, workshop, north = everybody
    for _ in range(ROUNDS):
        cycle_id, question = _posted(everybody, workshop.asked, "approve_retrain")
        click_together(north, question, "approve_retrain")
        with database.unit(agency.id) as session:
            cycle = session.get_one(RetrainingCycle, cycle_id)
            (asked,) = questions(session, cycle_id)
            events = session.exec(select(AuditEvent).where(AuditEvent.subject_id == str(cycle_id))).all()
            assert (cycle.state, asked.decision) == (CycleState.APPROVED, Decision.APPROVED)
            assert _jobs(session, TrainCandidate.name, cycle_id) == 1
            assert [event.action for event in events].count("approval.approved") == 1
            keys = list(session.exec(select(SlackReceipt.key)))
            assert len(keys) == len(set(keys))
        winner = str(asked.decided_by)
        assert _told(north, OTHER[winner], f"already approved by {winner}")
        _end(everybody, cycle_id)


@pytest.mark.failure_case(6)
def test_an_approval_racing_a_rejection_has_one_outcome_and_tells_the_other(everybody: Everybody) -> None:
    database, agency, workshop, north = everybody
    for _ in range(ROUNDS):
        cycle_id, question = _posted(everybody, workshop.asked, "approve_retrain")
        north.click("Olga", question, "reject")
        view = north.view("Olga")["id"]
        place = {"channel": question.channel, "ts": question.ts, "action": "approve_retrain"}
        acts = [
            ("click", {"user": north.people["Otto"], **place}),
            ("submit", {"user": north.people["Olga"], "view": view, "values": {"reason": "no"}}),
        ]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda act: north.client.act(act[0], team=north.team, **act[1]), acts))
        take_together(north, 2)
        with database.unit(agency.id) as session:
            cycle = session.get_one(RetrainingCycle, cycle_id)
            (asked,) = questions(session, cycle_id)
            assert (cycle.state, asked.decision, asked.decided_by) in (
                (CycleState.APPROVED, Decision.APPROVED, "Otto"),
                (CycleState.REJECTED, Decision.REJECTED, "Olga"),
            )
            assert _happened(session, "slack.refused")[-1].actor_name != asked.decided_by
        loser = OTHER[str(asked.decided_by)]
        assert f"already {asked.decision} by" in shown(north.told(loser)[-1].content)
        _end(everybody, cycle_id)


@pytest.mark.failure_case(5)
def test_a_candidate_is_promoted_once_and_rolled_back_once(everybody: Everybody) -> None:
    database, agency, workshop, north = everybody
    cycle_id, candidate = _posted(everybody, lambda session: workshop.judged(session, "promote"), "promote")
    click_together(north, candidate, "promote")
    with database.unit(agency.id) as session:
        assert _jobs(session, DeployCandidate.name, cycle_id) == 1
        assert len(_happened(session, "approval.approved")) == 1
        cycle = session.get_one(RetrainingCycle, cycle_id)
        point(session, workshop.model, Alias.PREVIOUS, cycle.parent_version_id)
        point(session, workshop.model, Alias.PRODUCTION, cycle.candidate_version_id)
        cycle.state, cycle.updated_at = CycleState.DEPLOYED, now()
    north.tick()
    click_together(north, north.client.with_action(north.team, "roll_back"), "roll_back")
    with database.unit(agency.id) as session:
        assert aliases(session, workshop.model.id)[Alias.PRODUCTION].number == "1.0"
        assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.ROLLED_BACK
        assert len(_happened(session, "version.deploy")) == 1
    for who in OTHER:
        assert _told(north, who, "acme/support@v1.0 is in production again") or _told(north, who, "Not done")


def test_a_failed_cycle_is_proposed_again_once(everybody: Everybody) -> None:
    database, agency, workshop, north = everybody
    add_training(north, workshop)

    def failed(session: Session) -> UUID:
        cycle = session.get_one(RetrainingCycle, workshop.asked(session))
        cycle.state, cycle.failure = CycleState.FAILED, "out of memory"
        return cycle.id

    cycle_id, message = _posted(everybody, failed, "retry")
    click_together(north, message, "retry")
    with database.unit(agency.id) as session:
        cycles = session.exec(select(RetrainingCycle)).all()
        assert sorted(cycle.state for cycle in cycles) == [CycleState.FAILED, CycleState.PROPOSED]
        (proposed,) = _happened(session, "cycle.proposed")
    assert _told(north, OTHER[proposed.actor_name], "proposed again already")
    assert cycle_id in {cycle.id for cycle in cycles}


def test_an_alert_answered_by_two_people_begins_one_cycle(everybody: Everybody) -> None:
    database, agency, workshop, north = everybody
    add_training(north, workshop)
    _, message = _posted(everybody, workshop.alert, "approve_retrain")
    click_together(north, message, "approve_retrain")
    with database.unit(agency.id) as session:
        (cycle,) = session.exec(select(RetrainingCycle)).all()
        assert (cycle.state, _jobs(session, TrainCandidate.name, cycle.id)) == (CycleState.APPROVED, 1)
        (approved,) = _happened(session, "approval.approved")
    assert _told(north, OTHER[approved.actor_name], f"already approved by {approved.actor_name}")


def test_of_two_people_that_a_question_needs_each_counts_once(everybody: Everybody) -> None:
    database, agency, workshop, north = everybody
    with database.unit(agency.id) as session:
        session.get_one(Client, workshop.client.id).plan = Plan.PREMIUM
    for _ in range(ROUNDS):
        cycle_id, question = _posted(everybody, workshop.asked, "approve_retrain")
        click_together(north, question, "approve_retrain")
        with database.unit(agency.id) as session:
            (asked,) = questions(session, cycle_id)
            assert sorted(vote.name for vote in votes(session, asked)) == ["Olga", "Otto"]
            assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.APPROVED
            assert _jobs(session, TrainCandidate.name, cycle_id) == 1
        _end(everybody, cycle_id)


@pytest.mark.failure_case(9)
def test_nobody_of_many_gets_an_expired_question_or_an_outdated_candidate_through(everybody: Everybody) -> None:
    database, agency, workshop, north = everybody
    cycle_id, question = _posted(everybody, workshop.asked, "approve_retrain")
    with database.unit(agency.id) as session:
        expire(session, cycle_id)
    click_together(north, question, "approve_retrain")
    with database.unit(agency.id) as session:
        assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.PROPOSED
        assert _jobs(session, TrainCandidate.name, cycle_id) == 0
    _end(everybody, cycle_id)
    candidate_id, candidate = _posted(everybody, lambda session: workshop.judged(session, "promote"), "promote")
    with database.unit(agency.id) as session:
        point(session, workshop.model, Alias.PRODUCTION, workshop.version(session, "1.2").id)
    click_together(north, candidate, "promote")
    with database.unit(agency.id) as session:
        assert _jobs(session, DeployCandidate.name, candidate_id) == 0
        (asked,) = [each for each in questions(session, candidate_id) if each.kind is ApprovalKind.PROMOTION]
        assert (asked.decision, votes(session, asked)) == (None, [])
        refused = _happened(session, "slack.refused")
    assert {event.actor_name for event in refused} == {"Otto", "Olga"}
    for who in OTHER:
        assert _told(north, who, "expired")
        assert _told(north, who, "production has changed since the candidate was compared")


@pytest.mark.failure_case(8)
def test_a_member_removed_in_the_moment_of_the_click_has_decided_or_has_not(everybody: Everybody) -> None:
    database, agency, workshop, north = everybody
    cycle_id, question = _posted(everybody, lambda session: workshop.asked(session, valid_for=timedelta(1)), "reject")
    place = {"channel": question.channel, "ts": question.ts, "action": "approve_retrain"}
    north.client.act("click", team=north.team, user=north.people["Otto"], **place)

    def remove(_none: None) -> None:
        with database.unit(agency.id) as session:
            (otto,) = [member.user.id for member in members(session) if member.user.name == "Otto"]
            remove_member(session, principal=owner_of(agency), user_id=otto)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda act: act(None), (remove, lambda _none: take_together(north, 1))))
    with database.unit(agency.id) as session:
        (asked,) = questions(session, cycle_id)
        state, began = session.get_one(RetrainingCycle, cycle_id).state, _jobs(session, TrainCandidate.name, cycle_id)
        refused = [event.actor_name for event in _happened(session, "slack.refused")]
    told = shown(north.told("Otto")[-1].content)
    if asked.decision is None:
        assert (state, began, len(refused)) == (CycleState.PROPOSED, 0, 1)
        assert "not a member of this agency" in told
    else:
        assert (state, began, refused, asked.decided_by) == (CycleState.APPROVED, 1, [], "Otto")
    north.click("Otto", question, "approve_retrain")
    assert "not a member of this agency" in shown(north.told("Otto")[-1].content)
