"""Getting a new password by mail: the link goes to the person's address, expires and works once."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.identity.passwords import end_sessions, set_password
from tuneloop.identity.secrets import derived_token, token_digest
from tuneloop.identity.service import find_member, manager_of, person_of
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.people.emails import changed_email, password_email
from tuneloop.people.notices import mail_about_account, memberships_of, site_of, tell_everywhere
from tuneloop.tables import PasswordLink, User

KIND = "password_link"
PAUSE = timedelta(minutes=2)
"""So that nobody fills another one's mailbox, one mail goes out within this time."""


def forgotten(session: Session, *, email: str, settings: Settings) -> None:
    """Send a link, if somebody has this address; the caller learns nothing of it. Needs a session across agencies."""
    user = person_of(session, email)
    if user is None or user.disabled_at is not None or not memberships_of(session, user):
        return
    recent = select(PasswordLink.id).where(PasswordLink.user_id == user.id, PasswordLink.created_at > now() - PAUSE)
    if session.exec(recent.limit(1)).one_or_none() is None:
        send_link(session, settings, user, asked_by=None)


def send_link(session: Session, settings: Settings, user: User, *, asked_by: str | None) -> PasswordLink:
    """Mail a link; every earlier one opens nothing any more. Needs a session that sees one of the person's agencies."""
    for earlier in session.exec(
        select(PasswordLink).where(PasswordLink.user_id == user.id, col(PasswordLink.used_at).is_(None))
    ):
        earlier.used_at = now()
        session.add(earlier)
    row_id = new_id()
    token = derived_token(settings.secret_key, row_id)
    row = PasswordLink(
        id=row_id,
        user_id=user.id,
        token_hash=token.digest,
        expires_at=now() + timedelta(minutes=settings.password_link_minutes),
    )
    session.add(row)
    session.flush()
    url = f"{settings.site_url}/password?token={token.token}"
    content = password_email(row, url, asked_by=asked_by, site=site_of(session, user))
    mail_about_account(session, settings, user, f"{KIND}:{row.id}", content, kind=KIND)
    return row


def require_new_password(session: Session, *, principal: Principal, user_id: UUID, settings: Settings) -> User:
    """A member has to choose a new password: until then the old one opens this agency no more, and they are signed out.

    Raises:
        NotFound: no such member. NotAllowed: only owners ask this of admins and owners.
    """
    member = find_member(session, user_id)
    principal.require(manager_of(member.membership.role))
    member.membership.password_after = now()
    session.add(member.membership)
    end_sessions(session, user_id=user_id, agency_id=principal.agency_id)
    send_link(session, settings, member.user, asked_by=principal.name)
    record(session, principal, "member.password_reset", "user", user_id, email=member.user.email)
    return member.user


def owner_of_link(session: Session, token: str, *, lock: bool = False) -> tuple[PasswordLink, User]:
    """Raises NotFound: no such link. Conflict: used, or expired."""
    query = select(PasswordLink).where(PasswordLink.token_hash == token_digest(token))
    row = session.exec(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("link", "such as this; ask for a new one")
    if row.used_at is not None:
        raise Conflict("this link was used already, or a newer one was sent; ask for a new one")
    if row.expires_at <= now():
        raise Conflict("this link has expired; ask for a new one")
    return row, session.get_one(User, row.user_id)


def choose(session: Session, *, token: str, password: str, settings: Settings) -> User:
    """Set the password that the link's owner wants; signs them out everywhere. Needs a session across agencies.

    Raises:
        NotFound, Conflict: the link opens nothing. InvalidInput: the password is too weak.
    """
    row, user = owner_of_link(session, token, lock=True)
    set_password(session, user, password)
    row.used_at = now()
    session.add(row)
    tell_everywhere(session, settings, user, "password.reset", changed_email(site_of(session, user)))
    return user


def change_own(session: Session, *, user: User, old: str, new: str, settings: Settings) -> None:
    """For somebody who has just shown that it is them; signs them out everywhere. Needs a session across agencies.

    Raises:
        InvalidInput: the new one is weak, or the old one.
    """
    if new == old:
        raise InvalidInput("that is the password you have; choose another one", field="new")
    set_password(session, user, new)
    tell_everywhere(session, settings, user, "password.change", changed_email(site_of(session, user)))
