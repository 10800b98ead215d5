"""Asking somebody to join, and saying yes.

The link goes to the address that was invited, and its token is stored as a hash. A new person chooses a name and a
password; somebody whom another agency knows already shows who they are with the password they have, so that whoever
invites an address can neither choose nor learn what opens it.
"""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from pydantic import SecretStr
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.service import client_id_of
from tuneloop.email.message import Address
from tuneloop.email.senders import address_for
from tuneloop.email.service import queue_mail
from tuneloop.identity.deactivation import require_no_inactive
from tuneloop.identity.passwords import set_password
from tuneloop.identity.secrets import derived_token, token_digest
from tuneloop.identity.service import (
    Browser,
    Seen,
    manager_of,
    new_person,
    open_checked_session,
    person_by_password,
    person_of,
    require_client,
    require_no_member,
)
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.people.emails import invitation_email
from tuneloop.tables import ActorKind, Agency, Client, Invitation, Mail, Membership, Role, User

KIND = "invitation"


class InvitationState(StrEnum):
    OPEN = "open"
    EXPIRED = "expired"
    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"


class Listed(NamedTuple):
    """An invitation with the mail that went out last."""

    invitation: Invitation
    mail: Mail | None


class Offer(NamedTuple):
    """What a link asks; `known` says that the person has an account and confirms with it."""

    invitation: Invitation
    agency: Agency
    client: Client | None
    known: bool


def state_of(invitation: Invitation) -> InvitationState:
    if invitation.accepted_at is not None:
        return InvitationState.ACCEPTED
    if invitation.withdrawn_at is not None:
        return InvitationState.WITHDRAWN
    return InvitationState.OPEN if invitation.expires_at > now() else InvitationState.EXPIRED


def invite(
    session: Session,
    *,
    principal: Principal,
    settings: Settings,
    email: str,
    role: Role,
    client: str | None,
) -> Invitation:
    """Write to somebody who is to join.

    Raises:
        Conflict: a member already, or invited already. NotAllowed: only owners invite admins and owners.
        Unavailable: the installation has no secret key.
    """
    principal.require(manager_of(role))
    require_client(role, client)
    require_no_member(session, email)
    require_no_inactive(session, email)
    if _open(session, email) is not None:
        raise Conflict(f"{email} is invited already; send the invitation again, or withdraw it first", email=email)
    link_id = new_id()
    row = Invitation(
        agency_id=principal.agency_id,
        email=email.lower(),
        role=role,
        invited_client_id=client_id_of(session, client),
        invited_by=principal.name,
        link_id=link_id,
        token_hash=derived_token(settings.secret_key, link_id).digest,
        expires_at=now() + timedelta(days=settings.invitation_days),
    )
    session.add(row)
    session.flush()
    record(session, principal, "member.invite", KIND, row.id, email=row.email, role=role, client=client)
    _send(session, settings, row)
    return row


def resend(session: Session, *, principal: Principal, settings: Settings, invitation_id: UUID) -> Invitation:
    """A new link with new time; the one before opens nothing any more."""
    row = _pending(session, principal, invitation_id)
    row.link_id = new_id()
    row.token_hash = derived_token(settings.secret_key, row.link_id).digest
    row.expires_at = now() + timedelta(days=settings.invitation_days)
    session.add(row)
    record(session, principal, "member.invite_again", KIND, row.id, email=row.email)
    _send(session, settings, row)
    return row


def withdraw(session: Session, *, principal: Principal, invitation_id: UUID) -> Invitation:
    row = _pending(session, principal, invitation_id)
    row.withdrawn_at = now()
    session.add(row)
    record(session, principal, "member.invitation_withdraw", KIND, row.id, email=row.email)
    return row


def show_link(session: Session, *, principal: Principal, settings: Settings, invitation_id: UUID) -> str:
    """The link itself, for where no mail arrives. The audit log names who saw it: they could use it themselves.

    Raises:
        Conflict: accepted, withdrawn or expired.
    """
    row = _pending(session, principal, invitation_id)
    if state_of(row) is InvitationState.EXPIRED:
        raise Conflict("this invitation has expired; send it again")
    token = derived_token(settings.secret_key, row.link_id)
    if token.digest != row.token_hash:
        raise Conflict("TUNELOOP_SECRET_KEY has changed since this invitation was made; send it again")
    record(session, principal, "member.invitation_link", KIND, row.id, email=row.email)
    return link(settings, token.token)


def link(settings: Settings, token: str) -> str:
    return f"{settings.site_url}/invitation?token={token}"


def invitations(session: Session) -> list[Listed]:
    """Newest first."""
    rows = session.exec(select(Invitation).order_by(col(Invitation.created_at).desc(), col(Invitation.id).desc())).all()
    mails = session.exec(select(Mail).where(Mail.subject_kind == KIND).order_by(col(Mail.created_at)))
    newest = {mail.subject_id: mail for mail in mails}
    return [Listed(row, newest.get(str(row.id))) for row in rows]


def listed(session: Session, row: Invitation) -> Listed:
    query = select(Mail).where(Mail.subject_kind == KIND, Mail.subject_id == str(row.id))
    return Listed(row, session.exec(query.order_by(col(Mail.created_at).desc()).limit(1)).one_or_none())


def offer_of(session: Session, token: str) -> Offer:
    """What a link asks; looking changes nothing. Needs a session across agencies.

    Raises:
        NotFound: no such link. Conflict: used, withdrawn or expired.
    """
    return _offer(session, _find(session, token))


def accept(
    session: Session,
    *,
    token: str,
    password: str,
    name: str | None,
    code: str | None,
    origin: str,
    keys: SecretStr,
    seen: Seen,
) -> Browser:
    """Join, and be signed in. Needs a session across agencies.

    A new person chooses `name` and `password`; one who has an account confirms with its password and
    second factor, and keeps the name.

    Raises:
        NotFound, Conflict: the link opens nothing. InvalidInput: no name, or a weak password.
        NotAuthenticated: not the password or code of this account. SecondFactorNeeded: the code is missing.
    """
    row = _find(session, token, lock=True)
    if person_of(session, row.email) is not None:
        user = person_by_password(session, email=row.email, password=password)
    else:
        if not name or not name.strip():
            raise InvalidInput("your name is missing; say how the others call you", field="name")
        user = new_person(session, email=row.email, name=name.strip())
        set_password(session, user, password)
    _join(session, row, user, origin)
    return open_checked_session(session, user=user, agency_id=row.agency_id, code=code, keys=keys, seen=seen)


def _join(session: Session, row: Invitation, user: User, origin: str) -> None:
    mine = select(Membership).where(Membership.agency_id == row.agency_id, Membership.user_id == user.id)
    if session.exec(mine).one_or_none() is not None:
        raise Conflict(f"{row.email} is a member already", email=row.email)
    session.add(
        Membership(agency_id=row.agency_id, user_id=user.id, role=row.role, member_client_id=row.invited_client_id)
    )
    row.accepted_at, row.accepted_by = now(), user.id
    session.add(row)
    session.flush()
    person = Principal(row.agency_id, row.role, ActorKind.USER, user.id, user.name, origin, row.invited_client_id)
    record(session, person, "member.join", "user", user.id, email=user.email, role=row.role, invitation=str(row.id))


def _send(session: Session, settings: Settings, row: Invitation) -> None:
    agency = session.get_one(Agency, row.agency_id)
    client = session.get_one(Client, row.invited_client_id) if row.invited_client_id else None
    sender, reply_to = address_for(session, None, settings=settings, name=agency.name)
    queue_mail(
        session,
        agency_id=row.agency_id,
        client_id=None,
        dedupe_key=f"{KIND}:{row.link_id}",
        subject=(KIND, row.id),
        sender=sender,
        reply_to=reply_to,
        recipient=Address(row.email),
        content=invitation_email(
            row,
            link(settings, derived_token(settings.secret_key, row.link_id).token),
            agency=agency.name,
            client=client.name if client else None,
        ),
        settings=settings,
    )


def _pending(session: Session, principal: Principal, invitation_id: UUID) -> Invitation:
    row = session.exec(select(Invitation).where(Invitation.id == invitation_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("invitation", invitation_id)
    principal.require(manager_of(row.role))
    state = state_of(row)
    if state in (InvitationState.ACCEPTED, InvitationState.WITHDRAWN):
        raise Conflict(f"this invitation is {state} already", state=state)
    return row


def _open(session: Session, email: str) -> Invitation | None:
    return session.exec(
        select(Invitation).where(
            Invitation.email == email.lower(),
            col(Invitation.accepted_at).is_(None),
            col(Invitation.withdrawn_at).is_(None),
        )
    ).one_or_none()


def _find(session: Session, token: str, *, lock: bool = False) -> Invitation:
    query = select(Invitation).where(Invitation.token_hash == token_digest(token))
    row = session.exec(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("invitation", "of this link; a newer mail may hold the one that works")
    match state_of(row):
        case InvitationState.ACCEPTED:
            raise Conflict("this invitation was accepted already; sign in")
        case InvitationState.WITHDRAWN:
            raise Conflict("this invitation was withdrawn; ask whoever invited you")
        case InvitationState.EXPIRED:
            raise Conflict("this invitation has expired; ask whoever invited you to send it again")
        case InvitationState.OPEN:
            return row


def _offer(session: Session, row: Invitation) -> Offer:
    client = session.get_one(Client, row.invited_client_id) if row.invited_client_id else None
    known = person_of(session, row.email) is not None
    return Offer(row, session.get_one(Agency, row.agency_id), client, known)
