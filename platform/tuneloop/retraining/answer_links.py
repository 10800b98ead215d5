"""Answering a question by a link in a mail. The link only leads there: whoever answers has signed in, as the person to
whom it was sent, and answers with the role they have then.
"""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlmodel import Session

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
    OneTimeLink,
    RetrainingCycle,
)

ANSWER = "approval.answer"
ORIGIN = "email"


@dataclass(frozen=True)
class Invited:
    """Who answers what."""

    principal: Principal
    approval: Approval
    cycle: RetrainingCycle


def new_answer_link(session: Session, approval: Approval, user_id: UUID) -> str:
    """A token that leads this person to this question; it ends with the question."""
    return make_link(
        session,
        ANSWER,
        valid_for=approval.expires_at - now(),
        client_id=approval.client_id,
        approval_id=str(approval.id),
        user_id=str(user_id),
    )


def look(session: Session, *, principal: Principal, token: str) -> Invited:
    """What a link is about. Looking changes nothing.

    Raises:
        NotFound, Conflict: the link opens nothing (any more). NotAllowed: it was sent to somebody else.
    """
    return _invited(session, principal, find_link(session, ANSWER, token))


def answer(session: Session, *, principal: Principal, token: str, decision: Decision, note: str | None) -> Invited:
    """Raises NotFound, Conflict, NotAllowed as looking does, and as deciding by any other way does."""
    invited = _invited(session, principal, use_link(session, ANSWER, token))
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


def _invited(session: Session, principal: Principal, link: OneTimeLink) -> Invited:
    if principal.kind is not ActorKind.USER or str(principal.actor_id) != link.payload["user_id"]:
        raise NotAllowed(
            "this link was sent to somebody else; sign out, and sign in as the person who got the mail",
            signed_in=principal.name,
        )
    approval = session.get(Approval, UUID(link.payload["approval_id"]))
    if approval is None:
        raise InvalidInput("the question of this link is gone")
    return Invited(replace(principal, origin=ORIGIN), approval, session.get_one(RetrainingCycle, approval.cycle_id))
