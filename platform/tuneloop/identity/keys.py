"""API keys. A key belongs to the person who made it: it can do what they can, and counts as them.

A key that is made with a key belongs to that key's owner. A key without an owner belongs to the agency.
"""

from collections.abc import Iterator
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.service import client_id_of
from tuneloop.identity.secrets import KEY_PREFIX, new_token, token_digest
from tuneloop.identity.service import MANAGERS
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotAuthenticated, NotFound
from tuneloop.kit.principal import Person, Principal, weaker
from tuneloop.tables import ActorKind, ApiKey, Membership, Role, User


def create_key(
    session: Session, *, principal: Principal, name: str, role: Role, client: str | None
) -> tuple[ApiKey, str]:
    """A new key and its token, which is not stored. One confined to a client can't reach members and keys."""
    principal.require(Role.ADMIN)
    principal.require(role)
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
    for _, principal in _principals(session, ApiKey.key_hash == token_digest(token), origin=origin):
        return principal
    raise NotAuthenticated("the API key is unknown or revoked")


def principals_of_keys(session: Session, *, origin: str) -> dict[str, Principal]:
    """Everybody who may call with a key, by the key's hash. Needs a session across agencies."""
    return dict(_principals(session, origin=origin))


def _principals(session: Session, *conditions: object, origin: str) -> Iterator[tuple[str, Principal]]:
    """A key is never stronger than its owner is now, and dead without them."""
    member = (col(Membership.user_id) == ApiKey.created_by) & (col(Membership.agency_id) == ApiKey.agency_id)
    query = (
        select(ApiKey, User, Membership)
        .join(User, col(User.id) == ApiKey.created_by, isouter=True)
        .join(Membership, member, isouter=True)
        .where(col(ApiKey.revoked_at).is_(None), *conditions)  # type: ignore[arg-type]
    )
    for key, user, membership in session.exec(query):
        owned = key.created_by is not None
        if owned and (membership is None or user.disabled_at is not None):
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
            ),
        )
