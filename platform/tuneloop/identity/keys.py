"""API keys. A key belongs to the person who made it: it can do what they can, and counts as them.

A key that is made with a key belongs to that key's owner. A key without an owner belongs to the agency.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_, update
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.service import client_id_of
from tuneloop.identity.secrets import KEY_PREFIX, new_token, token_digest
from tuneloop.identity.service import MANAGERS
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotAuthenticated, NotFound
from tuneloop.kit.principal import Person, Principal, weaker
from tuneloop.tables import ActorKind, ApiKey, Membership, Role, User

A_MINUTE = timedelta(minutes=1)


class KeyUse(NamedTuple):
    at: datetime
    address: str


def create_key(
    session: Session,
    *,
    principal: Principal,
    name: str,
    role: Role,
    client: str | None,
    inference_only: bool = False,
    days: int | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its token, which is not stored. One confined to a client can't reach members and keys.

    It works for so many `days`, and no longer than the key that it is made with.

    Raises:
        NotAllowed: the caller has not the role. InvalidInput: the client does not go with
            the role, or with inference.
    """
    principal.require(Role.ADMIN)
    principal.require(role)
    if inference_only and (client is None or role is not Role.VIEWER):
        raise InvalidInput("a key that only asks models is a viewer's and confined to a client; name the client")
    if client is not None and role in MANAGERS:
        raise InvalidInput(f"a key confined to one client can be {Role.OPERATOR} at most", role=role, client=client)
    token = new_token(KEY_PREFIX)
    row = ApiKey(
        agency_id=principal.agency_id,
        name=name,
        prefix=token.token[:10],
        key_hash=token.digest,
        role=role,
        scope_client_id=client_id_of(session, client),
        created_by=principal.person_id,
        inference_only=inference_only,
        expires_at=_end(session, principal, days),
    )
    session.add(row)
    record(
        session,
        principal,
        "api_key.create",
        "api_key",
        row.id,
        name=name,
        role=role,
        client=client,
        inference_only=inference_only,
        days=days,
    )
    return row, token.token


def _end(session: Session, principal: Principal, days: int | None) -> datetime | None:
    maker = session.get(ApiKey, principal.actor_id) if principal.kind is ActorKind.API_KEY else None
    ends = [now() + timedelta(days=days)] if days is not None else []
    ends += [maker.expires_at] if maker is not None and maker.expires_at is not None else []
    return min(ends, default=None)


def note_use(session: Session, used: Mapping[UUID, KeyUse]) -> None:
    """Keep when and from where keys were last used, true to the minute. Needs a session across agencies."""
    for key_id, use in sorted(used.items()):
        stale = or_(col(ApiKey.last_used_at).is_(None), col(ApiKey.last_used_at) < use.at - A_MINUTE)
        session.execute(
            update(ApiKey)
            .where(col(ApiKey.id) == key_id, stale)
            .values(last_used_at=use.at, last_used_from=use.address)
            .execution_options(synchronize_session=False)
        )


def keys(session: Session) -> list[ApiKey]:
    return list(session.exec(select(ApiKey).order_by(col(ApiKey.created_at))))


def owner_name(session: Session, key: ApiKey) -> str | None:
    query = select(User.name).join(Membership, col(Membership.user_id) == User.id).where(User.id == key.created_by)
    return session.exec(query).one_or_none()


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
    for _, principal in _principals(session, ApiKey.key_hash == token_digest(token), origin=origin):
        return principal
    raise NotAuthenticated("the API key is unknown, revoked or expired")


def principals_of_keys(session: Session, *, origin: str) -> dict[str, Principal]:
    """Everybody who may call with a key, by the key's hash. Needs a session across agencies."""
    return dict(_principals(session, origin=origin))


def _principals(session: Session, *conditions: object, origin: str) -> Iterator[tuple[str, Principal]]:
    """A key is never stronger than its owner is now, and dead without them: but for keys that only ask models, so that
    a client's traffic does not end with somebody's job."""
    member = (col(Membership.user_id) == ApiKey.created_by) & (col(Membership.agency_id) == ApiKey.agency_id)
    query = (
        select(ApiKey, User, Membership)
        .join(User, col(User.id) == ApiKey.created_by, isouter=True)
        .join(Membership, member, isouter=True)
        .where(
            col(ApiKey.revoked_at).is_(None),
            or_(col(ApiKey.expires_at).is_(None), col(ApiKey.expires_at) > now()),
            *conditions,  # type: ignore[arg-type]
        )
    )
    for key, user, membership in session.exec(query):
        gone = key.created_by is not None and (membership is None or user.disabled_at is not None)
        owned = key.created_by is not None and not gone
        if gone and not key.inference_only:
            continue
        yield (
            key.key_hash,
            Principal(
                agency_id=key.agency_id,
                role=weaker(key.role, membership.role) if owned else key.role,
                kind=ActorKind.API_KEY,
                actor_id=key.id,
                name=key.name,
                origin=origin,
                client_id=key.scope_client_id,
                owner=Person(user.id, user.name) if owned else None,
                inference_only=key.inference_only,
            ),
        )
