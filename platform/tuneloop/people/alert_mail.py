"""Whether somebody gets alerts by mail. Each member says so for themselves; the default is: where there is no Slack."""

from uuid import UUID

from sqlalchemy import or_
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.errors import NotAllowed
from tuneloop.kit.principal import Principal
from tuneloop.tables import AlertMail, Membership, Role, User

READERS = (Role.OWNER, Role.ADMIN, Role.OPERATOR)
"""Who can do something about an alert."""


def choose(session: Session, *, principal: Principal, when: AlertMail) -> AlertMail:
    """Raises NotAllowed: a key that is nobody's."""
    membership = own_membership(session, principal)
    membership.alert_mail = when
    session.add(membership)
    record(session, principal, "member.alert_mail", "user", membership.user_id, when=when)
    return when


def own_membership(session: Session, principal: Principal) -> Membership:
    """Raises NotAllowed: a key that is nobody's."""
    if principal.person_id is None:
        raise NotAllowed("this key belongs to nobody, who would get the mail; sign in, or use a key of your own")
    here = (Membership.user_id == principal.person_id, Membership.agency_id == principal.agency_id)
    return session.exec(select(Membership).where(*here)).one()


def readers(session: Session, client_id: UUID, *, slack: bool) -> list[User]:
    """Who gets an alert about this client by mail."""
    wanted = (AlertMail.ALWAYS,) if slack else (AlertMail.ALWAYS, AlertMail.WITHOUT_SLACK)
    query = select(User).join(Membership, col(Membership.user_id) == User.id)
    return list(
        session.exec(
            query.where(
                col(Membership.role).in_(READERS),
                col(Membership.alert_mail).in_(wanted),
                col(User.disabled_at).is_(None),
                or_(col(Membership.member_client_id).is_(None), col(Membership.member_client_id) == client_id),
            ).order_by(User.email)
        )
    )
