"""Setting up a second factor, and taking it away: by its owner, or by admins where it is lost.

It is the person's in all their agencies. So that the admin of one takes nothing from another, a lost one is gone only
once an admin of each has said so.
"""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, delete, select

from tuneloop.audit.service import record
from tuneloop.identity.passwords import end_sessions
from tuneloop.identity.second_factor import (
    address_of_secret,
    check_code,
    forget_recovery_codes,
    new_recovery_codes,
    new_secret,
    second_factor_of,
)
from tuneloop.identity.service import manager_of
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import Conflict, NotAllowed, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.people.notices import mail_about_account, memberships_of, notice, tell_everywhere
from tuneloop.tables import Agency, Membership, SecondFactor, User, WebSession

BEGUN_FOR = timedelta(minutes=30)
NOT_YOU = "If that was not you, change your password at once and tell an admin of your agency."


class Begun(NamedTuple):
    """What an authenticator app needs: the secret as text, and as an address for the QR code."""

    secret: str
    address: str


def begin(session: Session, *, principal: Principal, user: User, settings: Settings) -> Begun:
    """A new secret, which is asked for once `confirm` has seen a code of it.

    Raises:
        Conflict: there is a second factor. Unavailable: the installation has no secret key.
    """
    if second_factor_of(session, user.id) is not None:
        raise Conflict("you have a second factor; turn it off first to set up another one")
    session.exec(delete(SecondFactor).where(col(SecondFactor.user_id) == user.id))
    secret = new_secret()
    session.add(SecondFactor(user_id=user.id, sealed_secret=_vault(settings).seal(secret)))
    return Begun(secret, _address(session, principal, user, secret))


def begun(session: Session, *, principal: Principal, user: User, settings: Settings) -> Begun:
    """What `begin` gave. Raises Conflict: nothing was begun, or too long ago."""
    secret = _vault(settings).open(_pending(session, user).sealed_secret)
    return Begun(secret, _address(session, principal, user, secret))


def confirm(session: Session, *, user: User, code: str, session_hash: str | None, settings: Settings) -> list[str]:
    """The app shows the right code: from now on it is asked for. Gives the recovery codes, which are shown once.

    Browsers that did not show it are signed out, but for the one with `session_hash`. Needs a session across agencies.

    Raises:
        Conflict: nothing was begun, or too long ago. NotAuthenticated: another code.
    """
    row = _pending(session, user)
    check_code(session, row, code, keys=settings.secret_key)
    row.confirmed_at = now()
    session.add(row)
    for opened in session.exec(select(WebSession).where(WebSession.user_id == user.id)):
        if opened.token_hash == session_hash:
            opened.second_factor_at = now()
            session.add(opened)
        else:
            session.delete(opened)
    content = notice(
        "Your second factor for Tuneloop is on",
        "Hello,",
        "Tuneloop asks you for a code of your authenticator app from now on. Other browsers were signed out.",
        NOT_YOU,
    )
    tell_everywhere(session, settings, user, "second_factor.on", content)
    return new_recovery_codes(session, user.id)


def turn_off(session: Session, *, user: User, settings: Settings) -> None:
    """Needs a session across agencies. Raises Conflict: there is none."""
    _require(session, user)
    _forget(session, user)
    content = notice(
        "Your second factor for Tuneloop is off",
        "Hello,",
        "Your password alone opens your account on Tuneloop now.",
        NOT_YOU,
    )
    tell_everywhere(session, settings, user, "second_factor.off", content)


def renew_codes(session: Session, *, user: User, settings: Settings) -> list[str]:
    """Recovery codes in place of those before. Needs a session across agencies. Raises Conflict: no second factor."""
    _require(session, user)
    codes = new_recovery_codes(session, user.id)
    content = notice(
        "You have new recovery codes for Tuneloop",
        "Hello,",
        "New recovery codes were made for your account on Tuneloop; those before open nothing any more.",
        NOT_YOU,
    )
    tell_everywhere(session, settings, user, "second_factor.codes", content)
    return codes


def reset(session: Session, *, principal: Principal, user_id: UUID, settings: Settings) -> bool:
    """An admin says that a member's second factor is lost. True where it is gone, and the member signed out; False
    where an admin of another agency of theirs has to say so too. Needs a session across agencies.

    Raises:
        NotFound: no such member. NotAllowed: only owners do this to admins and owners, nobody to themselves.
        Conflict: the member has none.
    """
    here = (Membership.user_id == user_id, Membership.agency_id == principal.agency_id)
    membership = session.exec(select(Membership).where(*here)).one_or_none()
    if membership is None:
        raise NotFound("member", user_id)
    principal.require(manager_of(membership.role))
    if principal.person_id == user_id:
        raise NotAllowed("turn off your own second factor on your account's page, or ask another owner or admin")
    user = session.get_one(User, user_id)
    factor = _require(session, user)
    membership.second_factor_reset_at = now()
    session.add(membership)
    asked = [each.second_factor_reset_at for each in memberships_of(session, user)]
    gone = all(at is not None and factor.confirmed_at is not None and at > factor.confirmed_at for at in asked)
    record(session, principal, "member.second_factor_reset", "user", user_id, email=user.email, gone=gone)
    agency = session.get_one(Agency, principal.agency_id).name
    said = f"{principal.signature} of {agency} says that your second factor for Tuneloop is lost."
    if gone:
        _forget(session, user)
        end_sessions(session, user_id=user_id)
        then = "It is turned off, and you are signed out everywhere. Sign in with your password and set up a new one."
    else:
        then = "You work for other agencies too: it stays until an admin of each has said so. Ask them."
    content = notice("Your second factor for Tuneloop", "Hello,", said, then, NOT_YOU)
    mail_about_account(session, settings, user, f"second_factor_reset:{membership.id}:{now().isoformat()}", content)
    return gone


def _require(session: Session, user: User) -> SecondFactor:
    row = second_factor_of(session, user.id, lock=True)
    if row is None:
        raise Conflict(f"{user.name} has no second factor", user_id=str(user.id))
    return row


def _forget(session: Session, user: User) -> None:
    session.exec(delete(SecondFactor).where(col(SecondFactor.user_id) == user.id))
    forget_recovery_codes(session, user.id)


def _pending(session: Session, user: User) -> SecondFactor:
    query = select(SecondFactor).where(SecondFactor.user_id == user.id, col(SecondFactor.confirmed_at).is_(None))
    row = session.exec(query.with_for_update()).one_or_none()
    if row is None or row.created_at < now() - BEGUN_FOR:
        raise Conflict("that was begun too long ago, or not at all; begin again")
    return row


def _address(session: Session, principal: Principal, user: User, secret: str) -> str:
    agency = session.get_one(Agency, principal.agency_id)
    return address_of_secret(secret, email=user.email, agency=agency.name)


def _vault(settings: Settings) -> Vault:
    return Vault(settings.secret_key.get_secret_value())
