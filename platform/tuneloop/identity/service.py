"""Members and sign-in."""

from datetime import datetime, timedelta
from hmac import compare_digest
from typing import NamedTuple
from uuid import UUID

from pydantic import SecretStr
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.service import client_id_of
from tuneloop.identity.passwords import end_sessions, password_of
from tuneloop.identity.second_factor import (
    SecondFactorNeeded,
    is_recovery_code,
    recovery_codes_left,
    require_second_factor,
    second_factor_of,
)
from tuneloop.identity.secrets import csrf_token_of, new_token, password_matches, token_digest
from tuneloop.identity.sign_in_steps import Step
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotAllowed, NotAuthenticated, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import ActorKind, Agency, Membership, OidcProvider, Role, User, WebSession

SESSION_LIFE = timedelta(hours=12)
NOTED_EVERY = timedelta(minutes=1)
LONGEST_DEVICE = 300
WRONG = "e-mail or password is wrong"

MANAGERS = frozenset({Role.OWNER, Role.ADMIN})


class Member(NamedTuple):
    user: User
    membership: Membership


class Browser(NamedTuple):
    token: str
    csrf_token: str
    expires_at: datetime


class Home(NamedTuple):
    """An agency that somebody works for."""

    agency_id: UUID
    agency: str
    password_after: datetime | None


class Seen(NamedTuple):
    """What a browser says that it is, and where it calls from."""

    device: str = ""
    address: str = ""


NOBODY = Seen()


class Visit(NamedTuple):
    """A request of a signed-in browser; its forms must carry the token.

    `second_factor_at` is when this browser showed the person's second factor last. `lacks_second_factor`: the agency
    asks for one, and the person has none yet.
    """

    principal: Principal
    csrf_token: str = ""
    second_factor_at: datetime | None = None
    lacks_second_factor: bool = False


def create_agency(session: Session, *, slug: str, name: str) -> Agency:
    """Needs a session across agencies."""
    if session.exec(select(Agency).where(Agency.slug == slug)).one_or_none():
        raise Conflict(f"there is an agency {slug} already", slug=slug)
    agency = Agency(slug=slug, name=name)
    session.add(agency)
    session.flush()
    return agency


def add_member(
    session: Session,
    *,
    principal: Principal,
    email: str,
    name: str,
    role: Role,
    client: str | None = None,
) -> Member:
    """Make a person a member; a known person keeps their name. How they sign in is theirs to say.

    Only for what proves that the person agrees: an invitation that was accepted, an agency that somebody sets up.
    """
    principal.require(manager_of(role))
    require_client(role, client)
    user = person_of(session, email) or new_person(session, email=email, name=name)
    require_no_member(session, user.email)
    membership = Membership(
        agency_id=principal.agency_id, user_id=user.id, role=role, member_client_id=client_id_of(session, client)
    )
    session.add(membership)
    record(session, principal, "member.add", "user", user.id, email=user.email, role=role)
    return Member(user, membership)


def new_person(session: Session, *, email: str, name: str) -> User:
    user = User(email=email.lower(), name=name)
    session.add(user)
    session.flush()
    return user


def require_no_member(session: Session, email: str) -> None:
    """Raises Conflict when somebody with this address works for the session's agency."""
    query = select(Membership).join(User, col(User.id) == Membership.user_id).where(User.email == email.lower())
    if session.exec(query).one_or_none() is not None:
        raise Conflict(f"{email} is a member already", email=email)


def person_of(session: Session, email: str) -> User | None:
    return session.exec(select(User).where(User.email == email.lower())).one_or_none()


def require_client(role: Role, client: object | None) -> None:
    if (role is Role.CLIENT_VIEWER) != (client is not None):
        raise InvalidInput("a client viewer, and nobody else, is bound to a client")


def members(session: Session) -> list[Member]:
    rows = session.exec(
        select(User, Membership).join(Membership, col(Membership.user_id) == User.id).order_by(User.email)
    )
    return [Member(user, membership) for user, membership in rows]


def change_role(session: Session, *, principal: Principal, user_id: UUID, role: Role) -> Member:
    member = find_member(session, user_id)
    principal.require(manager_of(role, member.membership.role))
    if Role.CLIENT_VIEWER in (role, member.membership.role):
        raise InvalidInput("a client viewer cannot change role; remove the member and add them again")
    keep_an_owner(session, member, becomes=role)
    member.membership.role = role
    session.add(member.membership)
    record(session, principal, "member.role", "user", user_id, role=role)
    return member


def remove_member(session: Session, *, principal: Principal, user_id: UUID) -> None:
    """Ends the person's browser sessions for this agency too."""
    member = find_member(session, user_id)
    principal.require(manager_of(member.membership.role))
    keep_an_owner(session, member, becomes=None)
    end_sessions(session, user_id=user_id, agency_id=principal.agency_id)
    session.delete(member.membership)
    record(session, principal, "member.remove", "user", user_id)


def sign_in(
    session: Session,
    *,
    email: str,
    password: str,
    agency: str | None,
    code: str | None = None,
    keys: SecretStr,
    seen: Seen = NOBODY,
) -> Browser:
    """Needs a session across agencies. `keys` open the secret of the second factor.

    Raises:
        NotAuthenticated: wrong e-mail or password, or no membership; the answer does not say which. Or a wrong code.
        SecondFactorNeeded: the password is right, and there is no `code`.
        InvalidInput: the person works for several agencies, and none is named. NotAllowed: passwords don't open it.
    """
    user = person_by_password(session, email=email, password=password)
    known = password_of(session, user.id)
    homes = _homes(session, user, agency)
    if not homes or known is None:
        raise NotAuthenticated(WRONG)
    homes = [each for each in homes if each.password_after is None or known.set_at > each.password_after]
    if not homes:
        raise NotAuthenticated("an admin asks you to choose a new password; use the link that you got by mail")
    if len(homes) > 1:
        raise InvalidInput("you work for several agencies; name one", agencies=[home.agency for home in homes])
    home = homes[0].agency_id
    try:
        return open_checked_session(session, user=user, agency_id=home, code=code, keys=keys, seen=seen)
    except SecondFactorNeeded as needed:
        step = Step(user_id=user.id, email=user.email, agency_id=home, password_set_at=known.set_at, begun_at=now())
        raise SecondFactorNeeded(needed.message, step=step.sealed(keys)) from None


def finish_sign_in(session: Session, *, step: Step, code: str, keys: SecretStr, seen: Seen) -> Browser:
    """A browser goes on with the code. Needs a session across agencies.

    Raises:
        NotAuthenticated: a wrong code, or the password or the membership has changed since.
        SecondFactorNeeded: no code.
    """
    user, known = session.get(User, step.user_id), password_of(session, step.user_id)
    homes = _homes(session, user, None) if user is not None and user.disabled_at is None else []
    home = next((each for each in homes if each.agency_id == step.agency_id), None)
    same = known is not None and known.set_at == step.password_set_at
    if user is None or home is None or not same or (home.password_after or step.password_set_at) > step.password_set_at:
        raise NotAuthenticated("sign in again")
    return open_checked_session(session, user=user, agency_id=home.agency_id, code=code, keys=keys, seen=seen)


def person_by_password(session: Session, *, email: str, password: str) -> User:
    """Whom the password is of, who may have a second factor besides. A wrong one and an unknown address take as long
    and say the same.

    Raises:
        NotAuthenticated: wrong e-mail or password.
    """
    user = person_of(session, email)
    known = password_of(session, user.id) if user else None
    right = password_matches(known.password_hash if known else None, password)
    if user is None or not right or user.disabled_at is not None:
        raise NotAuthenticated(WRONG)
    return user


def open_checked_session(
    session: Session, *, user: User, agency_id: UUID, code: str | None, keys: SecretStr, seen: Seen
) -> Browser:
    """For somebody whose password is right, and who shows their second factor, if they have one."""
    _require_passwords(session, user, agency_id)
    here = select(Membership).where(Membership.user_id == user.id, Membership.agency_id == agency_id)
    membership = session.exec(here).one()
    shown = require_second_factor(session, user.id, code, keys=keys)
    if shown and is_recovery_code(code):
        left = recovery_codes_left(session, user.id)
        who = Principal(agency_id, membership.role, ActorKind.USER, user.id, user.name, "sign-in")
        record(session, who, "second_factor.recovery_code", "user", user.id, left=left)
    return open_session(session, user_id=user.id, agency_id=agency_id, seen=seen, second_factor=shown)


def open_session(
    session: Session,
    *,
    user_id: UUID,
    agency_id: UUID,
    seen: Seen,
    second_factor: bool = False,
    by_provider: bool = False,
) -> Browser:
    """For somebody who has just shown who they are."""
    here = select(Membership).where(Membership.user_id == user_id, Membership.agency_id == agency_id)
    session.exec(here).one().last_sign_in_at = now()
    token = new_token()
    csrf_token = csrf_token_of(token.token)
    row = WebSession(
        token_hash=token.digest,
        user_id=user_id,
        session_agency_id=agency_id,
        csrf_token=token_digest(csrf_token),
        second_factor_at=now() if second_factor else None,
        by_provider=by_provider,
        device=seen.device[:LONGEST_DEVICE],
        address=seen.address,
        expires_at=now() + SESSION_LIFE,
    )
    session.add(row)
    return Browser(token.token, csrf_token, row.expires_at)


def _require_passwords(session: Session, user: User, agency_id: UUID) -> None:
    """Raises NotAllowed where the agency's own provider signs people in, and passwords do not."""
    query = select(OidcProvider).where(OidcProvider.agency_id == agency_id, col(OidcProvider.only))
    provider = session.exec(query).one_or_none()
    if provider is not None and provider.emergency_id != user.id:
        slug = session.get_one(Agency, agency_id).slug
        raise NotAllowed(f"passwords do not open {slug}: choose 'Sign in with your agency'", agency=slug)


def _homes(session: Session, user: User, agency: str | None) -> list[Home]:
    """Agencies that the person works for: the one that was named, if one was."""
    query = select(Agency, Membership).join(Membership, col(Membership.agency_id) == Agency.id)
    rows = session.exec(query.where(Membership.user_id == user.id).order_by(Agency.slug)).all()
    return [
        Home(home.id, home.slug, membership.password_after) for home, membership in rows if agency in (None, home.slug)
    ]


def sign_out(session: Session, *, token: str) -> None:
    row = session.exec(select(WebSession).where(WebSession.token_hash == token_digest(token))).one_or_none()
    if row is not None:
        session.delete(row)


def visit_of_browser(session: Session, *, token: str) -> Visit:
    """Needs a session across agencies."""
    found = session.exec(
        select(WebSession, User, Membership, Agency)
        .join(User, col(User.id) == WebSession.user_id)
        .join(Agency, col(Agency.id) == WebSession.session_agency_id)
        .join(Membership, (col(Membership.user_id) == User.id) & (Membership.agency_id == WebSession.session_agency_id))
        .where(WebSession.token_hash == token_digest(token), WebSession.expires_at > now())
    ).one_or_none()
    if found is None or found[1].disabled_at is not None:
        raise NotAuthenticated("your session has ended; sign in again")
    web_session, user, membership, agency = found
    if web_session.last_used_at < now() - NOTED_EVERY:
        web_session.last_used_at = now()
    principal = Principal(
        agency_id=membership.agency_id,
        role=membership.role,
        kind=ActorKind.USER,
        actor_id=user.id,
        name=user.name,
        origin="web",
        client_id=membership.member_client_id,
        by_provider=web_session.by_provider,
    )
    asked = agency.second_factor_required and not web_session.by_provider
    lacks = asked and second_factor_of(session, user.id) is None
    return Visit(principal, csrf_token_of(token), web_session.second_factor_at, lacks)


def require_form_token(sent: str | None, *, expected: str) -> None:
    """Raises NotAuthenticated where a change does not come from a page of ours."""
    if sent is None or not compare_digest(sent.encode(), expected.encode()):
        raise NotAuthenticated("the X-CSRF-Token header is missing or wrong; reload the page")


def manager_of(*roles: Role) -> Role:
    """Who may give or take these roles: admins manage everybody but admins and owners."""
    return Role.OWNER if MANAGERS.intersection(roles) else Role.ADMIN


def find_member(session: Session, user_id: UUID) -> Member:
    membership = session.exec(select(Membership).where(Membership.user_id == user_id)).one_or_none()
    user = session.get(User, user_id)
    if membership is None or user is None:
        raise NotFound("member", user_id)
    return Member(user, membership)


def keep_an_owner(session: Session, member: Member, *, becomes: Role | None) -> None:
    if member.membership.role is not Role.OWNER or becomes is Role.OWNER:
        return
    owners = session.exec(select(Membership).where(Membership.role == Role.OWNER).with_for_update()).all()
    if len(owners) == 1:
        raise Conflict("an agency needs at least one owner; make somebody else owner first")
