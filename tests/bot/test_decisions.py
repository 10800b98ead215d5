"""Approve, reject, promote, override and roll back from Slack, through signed requests against the real app."""

import re
from uuid import UUID

import pytest
from sqlmodel import select

from tests.bot.office import Office, shown
from tests.support.cycles import Workshop
from tests.support.factories import owner_of
from tuneloop.identity.service import members, remove_member
from tuneloop.kit.clock import now
from tuneloop.registry.service import point
from tuneloop.retraining.jobs import DeployCandidate, TrainCandidate
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import Alias, ApprovalKind, CycleState, Example, JobRow, Plan, Pool, RetrainingCycle
from tuneloop.tables import Client as ClientRow
from tuneloop_local.emulators.slack.client import EmulatorMessage


def _state(north: Office, cycle_id: UUID) -> CycleState:
    with north.database.unit(north.agency.id) as session:
        return session.get_one(RetrainingCycle, cycle_id).state


def _jobs(north: Office, name: str) -> int:
    with north.database.unit(north.agency.id) as session:
        return len(session.exec(select(JobRow).where(JobRow.name == name)).all())


def _asked(north: Office, workshop: Workshop) -> UUID:
    with north.database.unit(north.agency.id) as session:
        cycle_id = workshop.asked(session)
    north.tick()
    return cycle_id


def _judged(north: Office, workshop: Workshop, outcome: str) -> UUID:
    with north.database.unit(north.agency.id) as session:
        cycle_id = workshop.judged(session, outcome)
    north.tick()
    return cycle_id


def _only(north: Office, action: str) -> EmulatorMessage:
    (message,) = [each for each in north.messages() if action in each.actions]
    return message


def test_an_approval_starts_the_training_and_the_message_says_who_when_and_from_where(
    north: Office, workshop: Workshop
) -> None:
    cycle_id = _asked(north, workshop)
    question = _only(north, "approve_retrain")
    assert "Retrain acme/support?" in shown(question.content)
    north.click("Otto", question, "approve_retrain")
    assert _state(north, cycle_id) is CycleState.APPROVED
    assert _jobs(north, TrainCandidate.name) == 1
    assert "Approved. The training begins." in shown(north.told("Otto")[-1].content)
    with north.database.unit(north.agency.id) as session:
        for example in session.exec(select(Example).where(Example.pool == Pool.GOLDEN)).all()[:3]:
            example.deleted_at = now()
    north.tick()
    (now_so,) = [each for each in north.messages() if each.ts == question.ts]
    assert now_so.actions == []
    assert "Approved by `Otto`" in shown(now_so.content)
    assert "from `slack`" in shown(now_so.content)
    decided_on = re.compile(r"\*(?:Training data|Golden set)\*\n([^\n]+)")
    assert decided_on.findall(shown(now_so.content)) == decided_on.findall(shown(question.content)) != []
    (event,) = [event for event in north.audit() if event.action == "approval.approved"]
    assert (event.actor_name, event.origin) == ("Otto", "slack")


def test_a_second_click_is_told_who_decided(north: Office, workshop: Workshop) -> None:
    _asked(north, workshop)
    question = _only(north, "approve_retrain")
    for who in ("Otto", "Olga"):
        north.client.act(
            "click",
            team=north.team,
            user=north.people[who],
            channel=question.channel,
            ts=question.ts,
            action="approve_retrain",
        )
    north.work()
    assert _jobs(north, TrainCandidate.name) == 1
    assert "already approved by Otto" in shown(north.told("Olga")[-1].content)
    refused = [event for event in north.audit() if event.action == "slack.refused"]
    assert [(event.actor_name, event.subject_id) for event in refused] == [("Olga", "approve_retrain")]


@pytest.mark.failure_case(8)
def test_a_viewer_and_a_revoked_member_are_refused_at_the_click(north: Office, workshop: Workshop) -> None:
    cycle_id = _asked(north, workshop)
    question = _only(north, "approve_retrain")
    north.say("Otto", "status")
    with north.database.unit(north.agency.id) as session:
        (otto,) = [member.user.id for member in members(session) if member.user.name == "Otto"]
        remove_member(session, principal=owner_of(north.agency), user_id=otto)
    north.click("Vera", question, "approve_retrain")
    north.click("Otto", question, "approve_retrain")
    assert "this needs the role operator" in shown(north.told("Vera")[-1].content)
    assert "Otto is not a member of this agency (any more)" in shown(north.told("Otto")[-1].content)
    assert _state(north, cycle_id) is CycleState.PROPOSED


def test_rejecting_asks_why_and_takes_the_buttons_away(north: Office, workshop: Workshop) -> None:
    cycle_id = _asked(north, workshop)
    north.click("Otto", _only(north, "reject"), "reject")
    assert north.view("Otto")["body"]["callback_id"] == "reject_form"
    north.submit("Otto", reason="the labels are <!channel> *wrong*")
    assert _state(north, cycle_id) is CycleState.REJECTED
    (message,) = [each for each in north.messages() if "Rejected by" in shown(each.content)]
    assert message.actions == []
    assert "`the labels are &lt;!channel&gt; *wrong*`" in shown(message.content)


def test_a_promotion_shows_the_comparison_and_deploys_once(north: Office, workshop: Workshop) -> None:
    cycle_id = _judged(north, workshop, Outcome.PROMOTE)
    candidate = _only(north, "promote")
    assert "Candidate acme/support@v1.1" in shown(candidate.content)
    assert candidate.actions == ["promote", "start_ab", "reject"]
    north.click("Otto", candidate, "promote")
    assert _jobs(north, DeployCandidate.name) == 1
    with north.database.unit(north.agency.id) as session:
        cycle = session.get_one(RetrainingCycle, cycle_id)
        for alias, version in (
            (Alias.PREVIOUS, cycle.parent_version_id),
            (Alias.PRODUCTION, cycle.candidate_version_id),
        ):
            point(session, workshop.model, alias, version)
        cycle.state = CycleState.DEPLOYED
    north.tick()
    deployed = _only(north, "roll_back")
    assert deployed.ts == candidate.ts
    assert "is in production since" in shown(deployed.content)
    north.click("Olga", deployed, "roll_back")
    assert _state(north, cycle_id) is CycleState.ROLLED_BACK
    assert "acme/support@v1.0 is in production again" in shown(north.told("Olga")[-1].content)


def test_an_override_takes_an_admin_a_reason_and_the_typed_name(north: Office, workshop: Workshop) -> None:
    cycle_id = _judged(north, workshop, Outcome.REJECT)
    candidate = _only(north, "override")
    assert candidate.actions == ["reject", "override"]
    for who in ("Otto", "Ann"):
        north.click(who, candidate, "override")
        north.submit(who, reason="the client insists", typed="acme/support@v1.0")
        assert north.view(who)["errors"] == {"typed": "Type exactly acme/support@v1.1"}
        north.submit(who, reason="the client insists", typed="acme/support@v1.1")
    assert "this needs the role admin" in shown(north.told("Otto")[-1].content)
    assert _jobs(north, DeployCandidate.name) == 1
    (event,) = [event for event in north.audit() if event.action == "gate.override"]
    assert (event.actor_name, event.detail["note"], event.subject_id) == ("Ann", "the client insists", str(cycle_id))


def test_a_premium_client_needs_two_people(north: Office, workshop: Workshop) -> None:
    with north.database.unit(north.agency.id) as session:
        session.get_one(ClientRow, workshop.client.id).plan = Plan.PREMIUM
    cycle_id = _asked(north, workshop)
    question = _only(north, "approve_retrain")
    north.click("Otto", question, "approve_retrain")
    assert "It waits for 1 more person." in shown(north.told("Otto")[-1].content)
    north.tick()
    assert _state(north, cycle_id) is CycleState.PROPOSED
    north.click("Olga", _only(north, "approve_retrain"), "approve_retrain")
    assert _state(north, cycle_id) is CycleState.APPROVED
    assert any("Approved by `Otto and Olga`" in shown(each.content) for each in north.messages())


@pytest.mark.failure_case(9)
def test_a_click_on_an_outdated_candidate_is_refused(north: Office, workshop: Workshop) -> None:
    _judged(north, workshop, Outcome.PROMOTE)
    candidate = _only(north, "promote")
    with north.database.unit(north.agency.id) as session:
        other = workshop.version(session, "1.2")
        point(session, workshop.model, Alias.PRODUCTION, other.id)
    north.click("Otto", candidate, "promote")
    assert "production has changed since the candidate was compared" in shown(north.told("Otto")[-1].content)
    assert _jobs(north, DeployCandidate.name) == 0


def test_commands_show_the_question_with_its_button(north: Office, workshop: Workshop) -> None:
    cycle_id = _asked(north, workshop)
    assert "Retrain acme/support?" in north.say("Otto", "approve acme")
    north.click("Otto", north.told("Otto")[-1], "approve_retrain")
    assert _state(north, cycle_id) is CycleState.APPROVED
    assert "No candidate waits for promotion." in north.say("Otto", "promote")
    assert ApprovalKind.RETRAIN in north.audit()[-1].detail.get("kind", ApprovalKind.RETRAIN)
