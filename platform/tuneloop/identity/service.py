"""Members, sign-in, API keys."""

from datetime import datetime, timedelta
from hmac import compare_digest
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.service import client_id_of
from tuneloop.identity.secrets import KEY_PREFIX, hash_password, new_token, password_matches, token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import ActorKind, Agency, ApiKey, Membership, Role, User, WebSession

SESSION_LIFE = timedelta(hours=12)

_MANAGERS = frozenset({Role.OWNER, Role.ADMIN})


class Member(NamedTuple):
    user: User
    membership: Membership


class Browser(NamedTuple):
    token: str
    csrf_token: str
    expires_at: datetime


class Visit(NamedTuple):
    """A request of a signed-in browser; its forms must carry the token."""

    principal: Principal
    csrf_token: str


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
    password: str,
    client: str | None = None,
) -> Member:
    """Add a person to the agency. A known person keeps their name.

    The password opens this agency alone: whoever gave the person one elsewhere gets in nowhere else by it.
    """
    principal.require(_manager_of(role))
    if (role is Role.CLIENT_VIEWER) != (client is not None):
        raise InvalidInput("a client viewer, and nobody else, is bound to a client")
    user = session.exec(select(User).where(User.email == email.lower())).one_or_none()
    if user is None:
        user = User(email=email.lower(), name=name)
        session.add(user)
        session.flush()
    if session.exec(select(Membership).where(Membership.user_id == user.id)).one_or_none():
        raise Conflict(f"{email} is a member already", email=email)
    membership = Membership(
        agency_id=principal.agency_id,
        user_id=user.id,
        role=role,
        password_hash=hash_password(password),
        member_client_id=client_id_of(session, client),
    )
    session.add(membership)
    record(session, principal, "member.add", "user", user.id, email=user.email, role=role)
    return Member(user, membership)


def members(session: Session) -> list[Member]:
    rows = session.exec(
        select(User, Membership).join(Membership, col(Membership.user_id) == User.id).order_by(User.email)
    )
    return [Member(user, membership) for user, membership in rows]


def change_role(session: Session, *, principal: Principal, user_id: UUID, role: Role) -> Member:
    member = _member(session, user_id)
    principal.require(_manager_of(role, member.membership.role))
    if Role.CLIENT_VIEWER in (role, member.membership.role):
        raise InvalidInput("a client viewer cannot change role; remove the member and add them again")
    _keep_an_owner(session, member, becomes=role)
    member.membership.role = role
    session.add(member.membership)
    record(session, principal, "member.role", "user", user_id, role=role)
    return member


def remove_member(session: Session, *, principal: Principal, user_id: UUID) -> None:
    """Ends the person's browser sessions for this agency too."""
    member = _member(session, user_id)
    principal.require(_manager_of(member.membership.role))
    _keep_an_owner(session, member, becomes=None)
    sessions = select(WebSession).where(
        WebSession.user_id == user_id, WebSession.session_agency_id == principal.agency_id
    )
    for web_session in session.exec(sessions):
        session.delete(web_session)
    session.delete(member.membership)
    record(session, principal, "member.remove", "user", user_id)


def sign_in(session: Session, *, email: str, password: str, agency: str | None) -> Browser:
    """Needs a session across agencies.

    Raises:
        NotAuthenticated: wrong e-mail or password, or no membership; the answer does not say which.
    """
    user = session.exec(select(User).where(User.email == email.lower())).one_or_none()
    homes = _homes(session, user, password, agency)
    if user is None or not homes or user.disabled_at is not None:
        raise NotAuthenticated("e-mail or password is wrong")
    if len(homes) > 1:
        raise InvalidInput("you work for several agencies; name one", agencies=[home.slug for home in homes])
    token, csrf = new_token(), new_token()
    row = WebSession(
        token_hash=token.digest,
        user_id=user.id,
        session_agency_id=homes[0].id,
        csrf_token=csrf.token,
        expires_at=now() + SESSION_LIFE,
    )
    session.add(row)
    return Browser(token.token, csrf.token, row.expires_at)


def _homes(session: Session, user: User | None, password: str, agency: str | None) -> list[Agency]:
    """Agencies that the password opens. Where there is none to try, it takes as long as a wrong one."""
    query = select(Agency, Membership).join(Membership, col(Membership.agency_id) == Agency.id)
    rows = session.exec(query.where(Membership.user_id == user.id)).all() if user else []
    tried = [(home, membership.password_hash) for home, membership in rows if agency in (None, home.slug)]
    if not tried:
        password_matches(None, password)
    return [home for home, known in tried if password_matches(known, password)]


def sign_out(session: Session, *, token: str) -> None:
    row = session.exec(select(WebSession).where(WebSession.token_hash == token_digest(token))).one_or_none()
    if row is not None:
        session.delete(row)


def visit_of_browser(session: Session, *, token: str) -> Visit:
    """Needs a session across agencies."""
    found = session.exec(
        select(WebSession, User, Membership)
        .join(User, col(User.id) == WebSession.user_id)
        .join(Membership, (col(Membership.user_id) == User.id) & (Membership.agency_id == WebSession.session_agency_id))
        .where(WebSession.token_hash == token_digest(token), WebSession.expires_at > now())
    ).one_or_none()
    if found is None or found[1].disabled_at is not None:
        raise NotAuthenticated("your session has ended; sign in again")
    web_session, user, membership = found
    principal = Principal(
        agency_id=membership.agency_id,
        role=membership.role,
        kind=ActorKind.USER,
        actor_id=user.id,
        name=user.name,
        origin="web",
        client_id=membership.member_client_id,
    )
    return Visit(principal, web_session.csrf_token)


def require_form_token(sent: str | None, *, expected: str) -> None:
    """Raises NotAuthenticated where a change does not come from a page of ours."""
    if sent is None or not compare_digest(sent.encode(), expected.encode()):
        raise NotAuthenticated("the X-CSRF-Token header is missing or wrong; reload the page")


def create_key(
    session: Session, *, principal: Principal, name: str, role: Role, client: str | None
) -> tuple[ApiKey, str]:
    """A new key and its token, which is not stored. One confined to a client can't reach members and keys."""
    principal.require(Role.ADMIN)
    principal.require(role)
    if client is not None and role in _MANAGERS:
        raise InvalidInput(f"a key confined to one client can be {Role.OPERATOR} at most", role=role, client=client)
    token = new_token(KEY_PREFIX)
    row = ApiKey(
        agency_id=principal.agency_id,
        name=name,
        prefix=token.token[:10],
        key_hash=token.digest,
        role=role,
        scope_client_id=client_id_of(session, client),
        created_by=principal.actor_id if principal.kind is ActorKind.USER else None,
    )
    session.add(row)
    record(session, principal, "api_key.create", "api_key", row.id, name=name, role=role, client=client)
    return row, token.token


def keys(session: Session) -> list[ApiKey]:
    return list(session.exec(select(ApiKey).order_by(col(ApiKey.created_at))))


def revoke_key(session: Session, *, principal: Principal, key_id: UUID) -> ApiKey:
    principal.require(Role.ADMIN)
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFound("API key", key_id)
    row.revoked_at = row.revoked_at or now()
    session.add(row)
    record(session, principal, "api_key.revoke", "api_key", key_id, name=row.name)
    return row


def principal_of_key(session: Session, *, token: str, origin: str) -> Principal:
    """Needs a session across agencies."""
    row = session.exec(select(ApiKey).where(ApiKey.key_hash == token_digest(token))).one_or_none()
    if row is None or row.revoked_at is not None:
        raise NotAuthenticated("the API key is unknown or revoked")
    return Principal(
        agency_id=row.agency_id,
        role=row.role,
        kind=ActorKind.API_KEY,
        actor_id=row.id,
        name=row.name,
        origin=origin,
        client_id=row.scope_client_id,
    )


def _manager_of(*roles: Role) -> Role:
    """Who may give or take these roles: admins manage everybody but admins and owners."""
    return Role.OWNER if _MANAGERS.intersection(roles) else Role.ADMIN


def _member(session: Session, user_id: UUID) -> Member:
    membership = session.exec(select(Membership).where(Membership.user_id == user_id)).one_or_none()
    user = session.get(User, user_id)
    if membership is None or user is None:
        raise NotFound("member", user_id)
    return Member(user, membership)


def _keep_an_owner(session: Session, member: Member, *, becomes: Role | None) -> None:
    if member.membership.role is not Role.OWNER or becomes is Role.OWNER:
        return
    owners = session.exec(select(Membership).where(Membership.role == Role.OWNER).with_for_update()).all()
    if len(owners) == 1:
        raise Conflict("an agency needs at least one owner; make somebody else owner first")
