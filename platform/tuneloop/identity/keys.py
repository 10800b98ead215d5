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
from tuneloop.kit.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from tuneloop.kit.principal import Person, Principal, weaker
from tuneloop.tables import ActorKind, ApiKey, Membership, Role, User

A_MINUTE = timedelta(minutes=1)


class KnownKey(NamedTuple):
    """One secret of a key, by its hash; it opens nothing from `until` on."""

    key_id: UUID
    key_hash: str
    principal: Principal
    until: datetime | None


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
    upload_only: bool = False,
    days: int | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its token, which is not stored. One confined to a client can't reach members and keys.

    It works for so many `days`, and no longer than the key that it is made with.

    Raises:
        NotAllowed: the caller has not the role. InvalidInput: the client does not go with
            the role, or with inference.
    """
    principal.require(Role.ADMIN)
    if upload_only and (client is None or inference_only):
        raise InvalidInput("a key that only imports data is confined to a client; name the client")
    role = Role.OPERATOR if upload_only else role
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
        upload_only=upload_only,
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
        upload_only=upload_only,
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


def owner_names(session: Session) -> dict[UUID, str]:
    """Of the people whose keys the agency's are, by their id; who is not a member any more is not among them."""
    query = select(User.id, User.name).join(Membership, col(Membership.user_id) == User.id)
    return dict(session.exec(query.where(col(User.id).in_(select(ApiKey.created_by)))).all())


def revoke_key(session: Session, *, principal: Principal, key_id: UUID) -> ApiKey:
    principal.require(Role.ADMIN)
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFound("API key", key_id)
    row.revoked_at = row.revoked_at or now()
    session.add(row)
    record(session, principal, "api_key.revoke", "api_key", key_id, name=row.name)
    return row


def rotate_key(session: Session, *, principal: Principal, key_id: UUID, grace_hours: int) -> tuple[ApiKey, str]:
    """A new secret for the same key; the old one works for so many hours more, for whoever has to change it.

    Raises:
        NotFound: no such key. NotAllowed: the caller is weaker than the key. Conflict: it is revoked.
    """
    principal.require(Role.ADMIN)
    row = session.exec(select(ApiKey).where(ApiKey.id == key_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("API key", key_id)
    principal.require(row.role)
    if row.revoked_at is not None:
        raise Conflict("this key is revoked; make a new one")
    token = new_token(KEY_PREFIX)
    row.previous_hash, row.previous_until = row.key_hash, now() + timedelta(hours=grace_hours)
    row.key_hash, row.prefix = token.digest, token.token[:10]
    session.add(row)
    record(session, principal, "api_key.rotate", "api_key", key_id, name=row.name, grace_hours=grace_hours)
    return row, token.token


def principal_of_key(session: Session, *, token: str, origin: str) -> Principal:
    """Needs a session across agencies."""
    digest = token_digest(token)
    for mine in (ApiKey.key_hash == digest, ApiKey.previous_hash == digest):
        for known in _known(session, mine, origin=origin):
            if known.key_hash == digest:
                return known.principal
    raise NotAuthenticated("the API key is unknown, revoked or expired")


def known_keys(session: Session, *conditions: object, origin: str) -> Iterator[KnownKey]:
    """Who may ask models with a key. Needs a session across agencies."""
    return _known(session, ~col(ApiKey.upload_only), *conditions, origin=origin)


def _known(session: Session, *conditions: object, origin: str) -> Iterator[KnownKey]:
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
        caller = Principal(
            agency_id=key.agency_id,
            role=weaker(key.role, membership.role) if owned else key.role,
            kind=ActorKind.API_KEY,
            actor_id=key.id,
            name=key.name,
            origin=origin,
            client_id=key.scope_client_id,
            owner=Person(user.id, user.name) if owned else None,
            inference_only=key.inference_only,
            upload_only=key.upload_only,
        )
        yield KnownKey(key.id, key.key_hash, caller, key.expires_at)
        if key.previous_hash is not None and key.previous_until is not None and key.previous_until > now():
            ends = [moment for moment in (key.previous_until, key.expires_at) if moment is not None]
            yield KnownKey(key.id, key.previous_hash, caller, min(ends))
