"""One decision, once: by somebody who may, about the exact digest, while it is asked."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

from tests.support.cycles import PLAN, Workshop
from tuneloop.identity.keys import create_key, principal_of_key
from tuneloop.kit.errors import Conflict, InvalidInput, NotAllowed, NotAuthenticated, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import point
from tuneloop.retraining.approvals import ask, questions
from tuneloop.retraining.jobs import DeployCandidate, TrainCandidate
from tuneloop.retraining.service import approve_promotion, approve_retrain, fail_cycle, reject
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    ActorKind,
    Agency,
    Alias,
    ApprovalKind,
    AuditEvent,
    Client,
    Comparison,
    CycleState,
    Decision,
    JobRow,
    Membership,
    Plan,
    RegisteredModel,
    RetrainingCycle,
    Role,
    User,
)


def _member(session: TenantSession, agency: Agency, name: str) -> Principal:
    user = User(email=f"{name.lower()}@north.example", name=name)
    session.add(user)
    session.flush()
    session.add(Membership(user_id=user.id, role=Role.OWNER))
    session.flush()
    return Principal(agency.id, Role.OWNER, ActorKind.USER, user.id, name, "web")


def _with_key(session: TenantSession, maker: Principal) -> Principal:
    """Whoever calls with a key that this caller has made."""
    _, token = create_key(session, principal=maker, name="k", role=Role.ADMIN, client=None)
    session.flush()
    return principal_of_key(session, token=token, origin="api")


def _actions(session: TenantSession) -> list[str]:
    return list(session.exec(select(AuditEvent.action).order_by(col(AuditEvent.at))))


def _jobs(session: TenantSession) -> list[str]:
    return list(session.exec(select(JobRow.name)))


def test_an_approval_starts_the_training_once(session: TenantSession, workshop: Workshop, operator: Principal) -> None:
    cycle_id = workshop.asked(session)
    cycle = approve_retrain(session, principal=operator, cycle_id=cycle_id, digest=PLAN, note="go")
    (question,) = questions(session, cycle_id)
    assert cycle.state is CycleState.APPROVED
    assert (question.decision, question.decided_by, question.note) == (Decision.APPROVED, "Otto Operator", "go")
    assert _jobs(session) == [TrainCandidate.name]
    assert cycle.job_id is not None
    assert _actions(session) == ["approval.approved", "cycle.approved"]


def test_a_second_click_says_who_decided(session: TenantSession, workshop: Workshop, operator: Principal) -> None:
    cycle_id = workshop.asked(session)
    approve_retrain(session, principal=operator, cycle_id=cycle_id, digest=PLAN)
    with pytest.raises(Conflict, match=r"already approved by Otto Operator at \d{4}-"):
        approve_retrain(session, principal=operator, cycle_id=cycle_id, digest=PLAN)
    assert _jobs(session) == [TrainCandidate.name]


def test_a_rejection_ends_the_cycle_and_cannot_be_overruled(
    session: TenantSession, workshop: Workshop, operator: Principal
) -> None:
    cycle_id = workshop.asked(session)
    assert reject(session, principal=operator, cycle_id=cycle_id, digest=PLAN).state is CycleState.REJECTED
    with pytest.raises(Conflict, match="already rejected"):
        approve_retrain(session, principal=operator, cycle_id=cycle_id, digest=PLAN)
    assert _jobs(session) == []


def test_an_expired_question_cannot_be_approved_but_rejected(
    session: TenantSession, workshop: Workshop, operator: Principal
) -> None:
    """Otherwise the expired cycle would be in the way of every other."""
    cycle_id = workshop.asked(session, valid_for=timedelta(seconds=-1))
    with pytest.raises(Conflict, match="expired; reject it and propose"):
        approve_retrain(session, principal=operator, cycle_id=cycle_id, digest=PLAN)
    assert reject(session, principal=operator, cycle_id=cycle_id, digest=PLAN).state is CycleState.REJECTED


@pytest.mark.parametrize("decide", [approve_retrain, reject])
def test_an_answer_about_another_digest_changes_nothing(
    session: TenantSession, workshop: Workshop, operator: Principal, decide: object
) -> None:
    cycle_id = workshop.asked(session)
    with pytest.raises(Conflict, match="another version"):
        decide(session, principal=operator, cycle_id=cycle_id, digest="3" * 64)  # type: ignore[operator]
    assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.PROPOSED
    assert questions(session, cycle_id)[0].decision is None


def test_a_viewer_decides_nothing(session: TenantSession, workshop: Workshop, agency: Agency) -> None:
    viewer = Principal(agency.id, Role.VIEWER, ActorKind.USER, None, "Vera", "test")
    cycle_id = workshop.asked(session)
    for decide in (approve_retrain, reject):
        with pytest.raises(NotAllowed):
            decide(session, principal=viewer, cycle_id=cycle_id, digest=PLAN)


def test_what_is_not_asked_cannot_be_answered(session: TenantSession, workshop: Workshop, operator: Principal) -> None:
    cycle_id = workshop.asked(session)
    with pytest.raises(NotFound, match="promotion question"):
        approve_promotion(session, principal=operator, cycle_id=cycle_id, digest=PLAN)
    with pytest.raises(NotFound, match="no cycle"):
        approve_retrain(session, principal=operator, cycle_id=new_id(), digest=PLAN)


def test_a_promotion_starts_one_deployment(session: TenantSession, workshop: Workshop, operator: Principal) -> None:
    cycle_id = workshop.judged(session, Outcome.PROMOTE)
    digest = session.exec(select(Comparison.candidate_digest)).one()
    cycle = approve_promotion(session, principal=operator, cycle_id=cycle_id, digest=digest)
    assert (cycle.state, _jobs(session)) == (CycleState.AWAITING_PROMOTION, [DeployCandidate.name])
    with pytest.raises(Conflict, match="already approved by Otto Operator"):
        approve_promotion(session, principal=operator, cycle_id=cycle_id, digest=digest)
    with pytest.raises(Conflict, match="already approved by Otto Operator"):
        reject(session, principal=operator, cycle_id=cycle_id, digest=digest)
    assert _jobs(session) == [DeployCandidate.name]


@pytest.mark.parametrize("outcome", [Outcome.REJECT, Outcome.NEED_MORE_LABELS])
def test_against_the_gate_it_takes_an_admin_and_a_reason(
    session: TenantSession, workshop: Workshop, operator: Principal, owner: Principal, outcome: Outcome
) -> None:
    cycle_id = workshop.judged(session, outcome)
    digest = session.exec(select(Comparison.candidate_digest)).one()
    with pytest.raises(NotAllowed):
        approve_promotion(session, principal=operator, cycle_id=cycle_id, digest=digest, note="trust me")
    for note in (None, "", "  "):
        with pytest.raises(InvalidInput, match="give a reason"):
            approve_promotion(session, principal=owner, cycle_id=cycle_id, digest=digest, note=note)
    assert _jobs(session) == []
    approve_promotion(session, principal=owner, cycle_id=cycle_id, digest=digest, note="the client insists")
    override = session.exec(select(AuditEvent).where(AuditEvent.action == "gate.override")).one()
    assert (override.detail["note"], override.detail["digest"]) == ("the client insists", digest)
    assert _jobs(session) == [DeployCandidate.name]


def test_a_candidate_that_was_judged_against_another_production_is_not_promoted(
    session: TenantSession, workshop: Workshop, operator: Principal
) -> None:
    cycle_id = workshop.judged(session, Outcome.PROMOTE)
    digest = session.exec(select(Comparison.candidate_digest)).one()
    point(session, workshop.model, Alias.PRODUCTION, workshop.version(session, "0.9").id)
    with pytest.raises(Conflict, match="production has changed"):
        approve_promotion(session, principal=operator, cycle_id=cycle_id, digest=digest)
    assert _jobs(session) == []


def test_a_deployment_that_fails_for_good_ends_the_cycle(
    session: TenantSession, workshop: Workshop, operator: Principal
) -> None:
    cycle_id = workshop.judged(session, Outcome.PROMOTE)
    digest = session.exec(select(Comparison.candidate_digest)).one()
    approve_promotion(session, principal=operator, cycle_id=cycle_id, digest=digest)
    fail_cycle(session, cycle_id=cycle_id, attempt=1, reason="the serving host is down")
    cycle = session.get_one(RetrainingCycle, cycle_id)
    assert (cycle.state, cycle.failure) == (CycleState.FAILED, "the serving host is down")


@pytest.mark.parametrize("kind", ApprovalKind)
def test_a_late_failure_does_not_touch_a_cycle_that_waits_for_an_answer(
    session: TenantSession, workshop: Workshop, kind: ApprovalKind
) -> None:
    cycle_id = workshop.asked(session, kind)
    before = session.get_one(RetrainingCycle, cycle_id).state
    fail_cycle(session, cycle_id=cycle_id, attempt=1, reason="an old step")
    assert session.get_one(RetrainingCycle, cycle_id).state is before


def _person(agency: Agency, name: str, role: Role = Role.OPERATOR) -> Principal:
    return Principal(agency.id, role, ActorKind.USER, new_id(), name, "test")


def _strict(session: TenantSession, workshop: Workshop, **policy: object) -> None:
    model = session.get_one(RegisteredModel, workshop.model.id)
    model.policy = policy
    session.flush()


def test_a_premium_client_s_retrain_waits_for_a_second_person(
    session: TenantSession, workshop: Workshop, agency: Agency
) -> None:
    session.get_one(Client, workshop.client.id).plan = Plan.PREMIUM
    ann, bob = _person(agency, "Ann"), _person(agency, "Bob")
    cycle_id = workshop.asked(session)
    assert approve_retrain(session, principal=ann, cycle_id=cycle_id, digest=PLAN).state is CycleState.PROPOSED
    with pytest.raises(Conflict, match=r"you approved this at .*; it waits for 1 more person"):
        approve_retrain(session, principal=ann, cycle_id=cycle_id, digest=PLAN)
    assert _jobs(session) == []
    assert approve_retrain(session, principal=bob, cycle_id=cycle_id, digest=PLAN).state is CycleState.APPROVED
    (question,) = questions(session, cycle_id)
    assert (question.decided_by, question.decided_from) == ("Ann and Bob", "test")
    assert _jobs(session) == [TrainCandidate.name]
    assert _actions(session) == ["approval.vote", "approval.vote", "approval.approved", "cycle.approved"]


def test_one_person_s_key_is_no_second_person(session: TenantSession, workshop: Workshop, agency: Agency) -> None:
    _strict(session, workshop, approvals_needed=2)
    ann = _member(session, agency, "Ann")
    first = _with_key(session, ann)
    second = _with_key(session, first)
    cycle_id = workshop.asked(session)
    approve_retrain(session, principal=first, cycle_id=cycle_id, digest=PLAN)
    for again in (first, second, _with_key(session, second), ann):
        with pytest.raises(Conflict, match="you approved this"):
            approve_retrain(session, principal=again, cycle_id=cycle_id, digest=PLAN)
    bob = _with_key(session, _member(session, agency, "Bob"))
    assert approve_retrain(session, principal=bob, cycle_id=cycle_id, digest=PLAN).state is CycleState.APPROVED
    assert questions(session, cycle_id)[0].decided_by == "Ann (key k) and Bob (key k)"
    logged = session.exec(select(AuditEvent).where(AuditEvent.action == "approval.vote")).all()
    assert [(each.actor_kind, each.actor_id) for each in logged] == [
        (ActorKind.API_KEY, first.actor_id),
        (ActorKind.API_KEY, bob.actor_id),
    ]


def test_a_key_that_is_nobody_s_is_nobody_s_approval(
    session: TenantSession, workshop: Workshop, agency: Agency
) -> None:
    service = Principal(agency.id, Role.OWNER, ActorKind.API_KEY, new_id(), "deploy bot", "api")
    cycle_id = workshop.asked(session)
    with pytest.raises(NotAllowed, match="people approve"):
        approve_retrain(session, principal=service, cycle_id=cycle_id, digest=PLAN)
    _strict(session, workshop, service_keys_approve=True)
    with pytest.raises(NotAllowed, match="people approve"):
        approve_retrain(session, principal=service, cycle_id=cycle_id, digest=PLAN)
    reject(session, principal=service, cycle_id=cycle_id, digest=PLAN)
    later = workshop.asked(session)
    assert approve_retrain(session, principal=service, cycle_id=later, digest=PLAN).state is CycleState.APPROVED


def test_a_key_does_what_its_owner_may_now(session: TenantSession, agency: Agency) -> None:
    ann = _member(session, agency, "Ann")
    _, token = create_key(session, principal=ann, name="k", role=Role.ADMIN, client=None)
    membership = session.exec(select(Membership).where(Membership.user_id == ann.actor_id)).one()
    for role, now_may in ((Role.OWNER, Role.ADMIN), (Role.OPERATOR, Role.OPERATOR), (Role.VIEWER, Role.VIEWER)):
        membership.role = role
        session.flush()
        assert principal_of_key(session, token=token, origin="api").role is now_may
    session.delete(membership)
    session.flush()
    with pytest.raises(NotAuthenticated, match="unknown, revoked or expired"):
        principal_of_key(session, token=token, origin="api")


def test_with_four_eyes_nobody_approves_their_own_proposal(
    session: TenantSession, workshop: Workshop, agency: Agency
) -> None:
    _strict(session, workshop, four_eyes=True)
    ann, bob = _person(agency, "Ann"), _person(agency, "Bob")
    cycle = workshop.cycle(session)
    ask(session, cycle, ApprovalKind.RETRAIN, digest=PLAN, valid_for=timedelta(hours=1), asked_by=ann)
    with pytest.raises(NotAllowed, match="somebody else must approve"):
        approve_retrain(session, principal=ann, cycle_id=cycle.id, digest=PLAN)
    assert approve_retrain(session, principal=bob, cycle_id=cycle.id, digest=PLAN).state is CycleState.APPROVED
    promotion = ask(session, cycle, ApprovalKind.PROMOTION, digest=PLAN, valid_for=timedelta(hours=1))
    assert promotion.requested_by == f"user:{ann.actor_id}"


def test_one_no_outweighs_any_yes(session: TenantSession, workshop: Workshop, agency: Agency) -> None:
    _strict(session, workshop, approvals_needed=3)
    cycle_id = workshop.asked(session)
    approve_retrain(session, principal=_person(agency, "Ann"), cycle_id=cycle_id, digest=PLAN)
    bob = _person(agency, "Bob")
    assert reject(session, principal=bob, cycle_id=cycle_id, digest=PLAN).state is CycleState.REJECTED
    assert questions(session, cycle_id)[0].decided_by == "Bob"
