"""Getting a new password by mail: the link goes to the person's address, expires and works once."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.email.message import Address
from tuneloop.email.service import EmailContent, queue_mail
from tuneloop.identity.passwords import end_sessions, password_of, set_password
from tuneloop.identity.secrets import derived_token, password_matches, token_digest
from tuneloop.identity.service import find_member, manager_of, person_of
from tuneloop.identity.sessions import person_of_principal
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.people.emails import changed_email, password_email
from tuneloop.tables import ActorKind, Membership, PasswordLink, User

KIND = "password_link"
PAUSE = timedelta(minutes=2)
"""So that nobody fills another one's mailbox, one mail goes out within this time."""


def forgotten(session: Session, *, email: str, settings: Settings) -> None:
    """Send a link, if somebody has this address; the caller learns nothing of it. Needs a session across agencies."""
    user = person_of(session, email)
    if user is None or user.disabled_at is not None or not _memberships(session, user.id):
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
    _mail(session, settings, user, f"{KIND}:{row.id}", password_email(row, url, asked_by=asked_by))
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
    _changed(session, settings, user, "password.reset")
    return user


def change_own(session: Session, *, principal: Principal, old: str, new: str, settings: Settings) -> None:
    """Signs the person out everywhere. Needs a session across agencies.

    Raises:
        NotAllowed: a key has no password. NotAuthenticated: the old one is wrong. InvalidInput: the new one is weak.
    """
    user = session.get_one(User, person_of_principal(principal))
    known = password_of(session, user.id)
    if not password_matches(known.password_hash if known else None, old):
        raise NotAuthenticated("that is not your present password")
    if new == old:
        raise InvalidInput("that is the password you have; choose another one", field="new")
    set_password(session, user, new)
    _changed(session, settings, user, "password.change")


def _changed(session: Session, settings: Settings, user: User, action: str) -> None:
    """Every agency that the password opens hears of it, and so does the person."""
    for membership in _memberships(session, user.id):
        who = Principal(membership.agency_id, membership.role, ActorKind.USER, user.id, user.name, "web")
        record(session, who, action, "user", user.id)
    _mail(session, settings, user, f"password:{new_id()}", changed_email())


def _mail(session: Session, settings: Settings, user: User, reason: str, content: EmailContent) -> None:
    """From the installation, never from an agency's own sender: the account is nobody's but the person's."""
    queue_mail(
        session,
        agency_id=_memberships(session, user.id)[0].agency_id,
        client_id=None,
        dedupe_key=reason,
        subject=(KIND, user.id),
        sender=Address.parse(settings.mail_from),
        reply_to=None,
        recipient=Address(user.email, user.name),
        content=content,
        settings=settings,
    )


def _memberships(session: Session, user_id: UUID) -> list[Membership]:
    query = select(Membership).where(Membership.user_id == user_id).order_by(col(Membership.created_at))
    return list(session.exec(query))
