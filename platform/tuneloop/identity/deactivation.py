"""Taking a member out for a while, and putting them back.

What somebody may do hangs on their membership: without it no session, key, Slack user or mailed link of theirs does
anything, at once. It is kept as an `InactiveMember`, so that all of it works again when they come back.
"""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.identity.passwords import end_sessions
from tuneloop.identity.service import Member, find_member, keep_an_owner, manager_of
from tuneloop.kit.errors import Conflict, NotAllowed
from tuneloop.kit.principal import Principal
from tuneloop.tables import ApiKey, InactiveMember, Membership, User


class Inactive(NamedTuple):
    user: User
    row: InactiveMember


def deactivate(session: Session, *, principal: Principal, user_id: UUID) -> Inactive:
    """Ends the person's sessions in this agency; their keys stop, too.

    Raises:
        NotFound: no such member. NotAllowed: only owners do this to admins and owners, nobody to themselves.
        Conflict: the last owner, or not active.
    """
    if find_inactive(session, user_id) is not None:
        raise Conflict("this member is deactivated already")
    member = find_member(session, user_id)
    principal.require(manager_of(member.membership.role))
    if principal.actor_id == user_id:
        raise NotAllowed("you can't deactivate yourself; ask another owner or admin")
    keep_an_owner(session, member, becomes=None)
    row = InactiveMember(
        agency_id=member.membership.agency_id,
        user_id=user_id,
        role=member.membership.role,
        member_client_id=member.membership.member_client_id,
        member_since=member.membership.created_at,
        deactivated_by=principal.name,
    )
    end_sessions(session, user_id=user_id, agency_id=principal.agency_id)
    session.delete(member.membership)
    session.add(row)
    session.flush()
    stopped = [key.name for key in keys_of(session, [user_id])]
    record(session, principal, "member.deactivate", "user", user_id, email=member.user.email, keys_stopped=stopped)
    return Inactive(member.user, row)


def reactivate(session: Session, *, principal: Principal, user_id: UUID) -> Member:
    """With the role they had. Keys that were not revoked work again; they sign in anew.

    Raises:
        NotFound: no such member. Conflict: active.
    """
    found = find_inactive(session, user_id)
    if found is None:
        find_member(session, user_id)
        raise Conflict("this member is active")
    principal.require(manager_of(found.row.role))
    membership = Membership(
        agency_id=found.row.agency_id,
        user_id=user_id,
        role=found.row.role,
        member_client_id=found.row.member_client_id,
        created_at=found.row.member_since,
    )
    session.delete(found.row)
    session.add(membership)
    session.flush()
    record(session, principal, "member.reactivate", "user", user_id, email=found.user.email, role=membership.role)
    return Member(found.user, membership)


def forget_inactive(session: Session, *, principal: Principal, user_id: UUID) -> bool:
    """Remove a deactivated member for good; False where there is none."""
    found = find_inactive(session, user_id)
    if found is None:
        return False
    principal.require(manager_of(found.row.role))
    session.delete(found.row)
    record(session, principal, "member.remove", "user", user_id)
    return True


def inactive_members(session: Session) -> list[Inactive]:
    query = select(User, InactiveMember).join(InactiveMember, col(InactiveMember.user_id) == User.id)
    return [Inactive(user, row) for user, row in session.exec(query.order_by(User.email))]


def find_inactive(session: Session, user_id: UUID) -> Inactive | None:
    row = session.exec(select(InactiveMember).where(InactiveMember.user_id == user_id)).one_or_none()
    return Inactive(session.get_one(User, user_id), row) if row is not None else None


def sign_out_member(session: Session, *, principal: Principal, user_id: UUID) -> None:
    """End a member's sessions in this agency. Raises NotFound, NotAllowed."""
    member = find_member(session, user_id)
    principal.require(manager_of(member.membership.role))
    end_sessions(session, user_id=user_id, agency_id=principal.agency_id)
    record(session, principal, "member.sign_out", "user", user_id, email=member.user.email)


def keys_of(session: Session, user_ids: Collection[UUID]) -> list[ApiKey]:
    """Made by these people and not revoked, in the session's agency."""
    query = select(ApiKey).where(col(ApiKey.created_by).in_(user_ids), col(ApiKey.revoked_at).is_(None))
    return list(session.exec(query.order_by(col(ApiKey.created_at))))


def require_no_inactive(session: Session, email: str) -> None:
    """Raises Conflict: nobody is invited who only has to be put back."""
    query = select(InactiveMember).join(User, col(User.id) == InactiveMember.user_id).where(User.email == email.lower())
    if session.exec(query).one_or_none() is not None:
        raise Conflict(f"{email} is a member who is deactivated; reactivate them", email=email)
