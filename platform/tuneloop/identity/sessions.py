"""Where somebody is signed in, and which of their keys are used."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, func, select

from tuneloop.audit.service import record
from tuneloop.identity.passwords import end_sessions
from tuneloop.kit.clock import now
from tuneloop.kit.errors import NotAllowed, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import ActorKind, Agency, ApiKey, WebSession


class OwnSession(NamedTuple):
    session: WebSession
    agency: str


class Activity(NamedTuple):
    """How a member works with the agency: open sessions, keys that they made, and when each was used last."""

    sessions: int = 0
    seen_at: datetime | None = None
    keys: int = 0
    key_used_at: datetime | None = None


def activity(session: Session, agency_id: UUID) -> dict[UUID, Activity]:
    """By person."""
    here = (WebSession.session_agency_id == agency_id, WebSession.expires_at > now())
    opened = session.exec(
        select(WebSession.user_id, func.count(col(WebSession.id)), func.max(col(WebSession.last_used_at)))
        .where(*here)
        .group_by(col(WebSession.user_id))
    ).all()
    made = session.exec(
        select(ApiKey.created_by, func.count(col(ApiKey.id)), func.max(col(ApiKey.last_used_at)))
        .where(col(ApiKey.created_by).is_not(None), col(ApiKey.revoked_at).is_(None))
        .group_by(col(ApiKey.created_by))
    ).all()
    found = {user_id: Activity(sessions=number, seen_at=seen_at) for user_id, number, seen_at in opened}
    for user_id, number, used_at in made:
        if user_id is not None:
            found[user_id] = found.get(user_id, Activity())._replace(keys=number, key_used_at=used_at)
    return found


def person_of_principal(principal: Principal) -> UUID:
    """Raises NotAllowed: a key is nobody's account, and no agency's provider speaks for a person's account."""
    if principal.kind is not ActorKind.USER or principal.actor_id is None:
        raise NotAllowed("an account belongs to a person: sign in, an API key is not enough")
    if principal.by_provider:
        raise NotAllowed(
            "you are signed in through your agency's identity provider: how you sign in is set there; for an account "
            "with a password of its own, sign in with that password"
        )
    return principal.actor_id


def own_sessions(session: Session, *, principal: Principal) -> list[OwnSession]:
    """Of every agency, the last used first. Needs a session across agencies."""
    query = (
        select(WebSession, Agency.name)
        .join(Agency, col(Agency.id) == WebSession.session_agency_id)
        .where(WebSession.user_id == person_of_principal(principal), WebSession.expires_at > now())
        .order_by(col(WebSession.last_used_at).desc())
    )
    return [OwnSession(row, agency) for row, agency in session.exec(query)]


def own_keys(session: Session, *, principal: Principal) -> list[ApiKey]:
    """Keys of the agency that the person made and that still work."""
    mine = (ApiKey.created_by == person_of_principal(principal), col(ApiKey.revoked_at).is_(None))
    return list(session.exec(select(ApiKey).where(*mine).order_by(col(ApiKey.created_at))))


def end_own_session(session: Session, *, principal: Principal, session_id: UUID) -> None:
    """Raises NotFound: it is nobody's, or somebody else's."""
    row = session.get(WebSession, session_id)
    if row is None or principal.kind is not ActorKind.USER or row.user_id != principal.actor_id:
        raise NotFound("session", session_id)
    person_of_principal(principal)
    session.delete(row)
    record(session, principal, "session.end", "session", session_id)


def sign_out_everywhere(session: Session, *, principal: Principal) -> None:
    user_id = person_of_principal(principal)
    end_sessions(session, user_id=user_id)
    record(session, principal, "session.end_all", "user", user_id)
