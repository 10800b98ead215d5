"""Answering a question by a link in a mail: as the person to whom it was sent, with the role they have then."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import Session, select

from tuneloop.identity.links import find_link, make_link, use_link
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotAllowed
from tuneloop.kit.principal import Principal
from tuneloop.retraining.service import approve_promotion, approve_retrain, reject
from tuneloop.tables import (
    ActorKind,
    Approval,
    ApprovalKind,
    Decision,
    Membership,
    OneTimeLink,
    RetrainingCycle,
    User,
)

ANSWER = "approval.answer"
ORIGIN = "email"


@dataclass(frozen=True)
class Invited:
    """Who may answer what."""

    principal: Principal
    approval: Approval
    cycle: RetrainingCycle


def new_answer_link(session: Session, approval: Approval, user_id: UUID) -> str:
    """A token for this person and this question; it ends with the question."""
    return make_link(
        session,
        ANSWER,
        valid_for=approval.expires_at - now(),
        client_id=approval.client_id,
        approval_id=str(approval.id),
        user_id=str(user_id),
    )


def agency_of_link(session: Session, token: str) -> UUID:
    """Needs a session across agencies. Raises NotFound or Conflict for a link that opens nothing."""
    return find_link(session, ANSWER, token).agency_id


def look(session: Session, token: str) -> Invited:
    """What a link is about. Looking changes nothing: mail scanners open links too."""
    return _invited(session, find_link(session, ANSWER, token))


def answer(session: Session, *, token: str, decision: Decision, note: str | None) -> Invited:
    """Raises NotFound, Conflict, NotAllowed as deciding by any other way does."""
    invited = _invited(session, use_link(session, ANSWER, token))
    approval = invited.approval
    given: dict[str, Any] = {
        "principal": invited.principal,
        "cycle_id": approval.cycle_id,
        "digest": approval.subject_digest,
        "note": note,
    }
    if decision is Decision.REJECTED:
        reject(session, **given)
    elif approval.kind is ApprovalKind.RETRAIN:
        approve_retrain(session, **given)
    else:
        approve_promotion(session, **given)
    return invited


def _invited(session: Session, link: OneTimeLink) -> Invited:
    user = session.get_one(User, UUID(link.payload["user_id"]))
    membership = session.exec(select(Membership).where(Membership.user_id == user.id)).one_or_none()
    if membership is None or user.disabled_at is not None:
        raise NotAllowed(f"{user.name} is not a member of this agency (any more)")
    approval = session.get(Approval, UUID(link.payload["approval_id"]))
    if approval is None:
        raise InvalidInput("the question of this link is gone")
    principal = Principal(
        link.agency_id, membership.role, ActorKind.USER, user.id, user.name, ORIGIN, membership.member_client_id
    )
    return Invited(principal, approval, session.get_one(RetrainingCycle, approval.cycle_id))
