"""Questions to the operators: bound to a digest, answered once, by enough people who may."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.quorum import people_needed
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotAllowed, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import policy_of
from tuneloop.tables import (
    ActorKind,
    Approval,
    ApprovalKind,
    ApprovalVote,
    Client,
    Decision,
    Membership,
    RegisteredModel,
    RetrainingCycle,
    Role,
    User,
)


def ask(
    session: Session,
    cycle: RetrainingCycle,
    kind: ApprovalKind,
    *,
    digest: str,
    valid_for: timedelta,
    asked_by: Principal | None = None,
) -> Approval:
    """Open a question about exactly the thing that `digest` names.

    Behind the promotion stands whoever proposed the cycle, if `asked_by` names nobody else.
    """
    model = session.get_one(RegisteredModel, cycle.model_id)
    policy = policy_of(model)
    client = session.get_one(Client, model.client_id)
    earlier = [question.requested_by for question in questions(session, cycle.id)]
    approval = Approval(
        client_id=cycle.client_id,
        cycle_id=cycle.id,
        kind=kind,
        attempt=cycle.attempt,
        subject_digest=digest,
        expires_at=now() + valid_for,
        approvals_needed=policy.approvals_needed or people_needed(session, client),
        four_eyes=policy.four_eyes,
        service_keys=policy.service_keys_approve,
        requested_by=voter_of(asked_by) if asked_by else next(iter(earlier), None),
    )
    session.add(approval)
    session.flush()
    return approval


def decide(
    session: Session,
    *,
    principal: Principal,
    cycle_id: UUID,
    kind: ApprovalKind,
    digest: str,
    decision: Decision,
    note: str | None = None,
) -> Approval:
    """Add a person's answer. It decides when enough people have approved; one rejection decides at once.

    The row lock settles a race. "No" never expires. While approvals are missing, `decision` stays None.

    Raises:
        Conflict: already decided (says by whom and when), approved by the same person before, expired, or about
            another digest.
        NotAllowed: role too low, one's own proposal where four-eyes approval is on, or a key that is nobody's.
    """
    principal.require(Role.OPERATOR)
    query = select(Approval).where(Approval.cycle_id == cycle_id, Approval.kind == kind)
    newest = query.order_by(col(Approval.attempt).desc()).limit(1).with_for_update()
    approval = session.exec(newest.execution_options(populate_existing=True)).one_or_none()
    if approval is None:
        raise NotFound(f"{kind} question for cycle", cycle_id)
    if approval.decision is not None:
        raise Conflict(
            f"already {approval.decision} by {approval.decided_by} at {approval.decided_at:%Y-%m-%d %H:%M:%S} UTC",
            decision=approval.decision,
            decided_by=approval.decided_by,
        )
    if decision is Decision.APPROVED and approval.expires_at <= now():
        raise Conflict(
            "this question has expired; reject it and propose the cycle again",
            expired_at=approval.expires_at.isoformat(),
        )
    if approval.subject_digest != digest:
        raise Conflict(
            "this answer is about another version than the one in question; look at the cycle again",
            asked=approval.subject_digest,
            answered=digest,
        )
    _vote(session, approval, principal, decision, note)
    given = [vote for vote in votes(session, approval) if vote.decision is Decision.APPROVED]
    if decision is Decision.APPROVED and len(given) < approval.approvals_needed:
        return approval
    approval.decision, approval.decided_at, approval.decided_from = decision, now(), principal.origin
    approval.decided_by = principal.signature if decision is Decision.REJECTED else " and ".join(v.name for v in given)
    approval.note = note
    session.add(approval)
    record(
        session,
        principal,
        f"approval.{decision}",
        "cycle",
        cycle_id,
        client_id=approval.client_id,
        kind=kind,
        digest=digest,
        note=note,
        **({"by": approval.decided_by} if len(given) > 1 else {}),
    )
    return approval


def votes(session: Session, approval: Approval) -> list[ApprovalVote]:
    """In the order they were given."""
    query = select(ApprovalVote).where(ApprovalVote.approval_id == approval.id)
    return list(session.exec(query.order_by(col(ApprovalVote.at))))


def missing(session: Session, approval: Approval) -> int:
    """How many people have still to approve."""
    return approval.approvals_needed - len(votes(session, approval))


def questions(session: Session, cycle_id: UUID) -> list[Approval]:
    """Oldest first."""
    query = select(Approval).where(Approval.cycle_id == cycle_id)
    return list(session.exec(query.order_by(col(Approval.requested_at))))


def latest_question(session: Session, cycle_id: UUID, kind: ApprovalKind) -> Approval | None:
    """About promotion each attempt asks its own."""
    return next((each for each in reversed(questions(session, cycle_id)) if each.kind is kind), None)


def who_may_answer(session: Session, approval: Approval, roles: Collection[Role]) -> list[User]:
    """Of these roles: active, not confined to another client, and not who proposed it where four eyes are asked for."""
    people = session.exec(
        select(User)
        .join(Membership, col(Membership.user_id) == User.id)
        .where(
            col(Membership.role).in_(roles),
            col(User.disabled_at).is_(None),
            or_(col(Membership.member_client_id).is_(None), col(Membership.member_client_id) == approval.client_id),
        )
    ).all()
    proposed_by = approval.requested_by if approval.four_eyes else None
    return [person for person in people if f"user:{person.id}" != proposed_by]


def voter_of(principal: Principal) -> str:
    """The person behind a caller: a key counts as its owner, so that nobody approves twice."""
    if principal.person_id is not None:
        return f"user:{principal.person_id}"
    if principal.actor_id is None:
        return f"{principal.kind}:{principal.name}"
    return f"{principal.kind}:{principal.actor_id}"


def _vote(session: Session, approval: Approval, principal: Principal, decision: Decision, note: str | None) -> None:
    voter = voter_of(principal)
    nobody = principal.kind is ActorKind.API_KEY and principal.person_id is None
    if decision is Decision.APPROVED and nobody and not approval.service_keys:
        raise NotAllowed(
            "this key belongs to nobody, and people approve: sign in, use a key of your own, or let an owner allow it "
            "with the policy service_keys_approve",
            needed="a person",
        )
    if decision is Decision.APPROVED and approval.four_eyes and voter == approval.requested_by:
        raise NotAllowed(
            "you proposed this, and four-eyes approval is on: somebody else must approve it",
            needed="four-eyes approval",
        )
    known = next((vote for vote in votes(session, approval) if vote.voter == voter), None)
    if known is not None and decision is Decision.APPROVED:
        left = missing(session, approval)
        raise Conflict(
            f"you approved this at {known.at:%Y-%m-%d %H:%M:%S} UTC; it waits for {left} more "
            f"{'person' if left == 1 else 'people'}",
            needed=approval.approvals_needed,
        )
    if known is not None:
        return
    session.add(
        ApprovalVote(
            client_id=approval.client_id,
            approval_id=approval.id,
            voter=voter,
            name=principal.signature,
            decision=decision,
            origin=principal.origin,
            note=note,
        )
    )
    session.flush()
    if approval.approvals_needed > 1 and decision is Decision.APPROVED:
        record(
            session,
            principal,
            "approval.vote",
            "cycle",
            approval.cycle_id,
            client_id=approval.client_id,
            kind=approval.kind,
            digest=approval.subject_digest,
            note=note,
        )
