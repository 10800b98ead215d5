"""Links for whoever holds them: the token is random, shown once, and only its hash is stored.

A one-time link does one thing once. A shared link opens something as often as one likes until it expires or is revoked.
"""

from datetime import timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlmodel import Session, select

from tuneloop.identity.secrets import new_token, token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.tables import OneTimeLink, SharedLink

L = TypeVar("L", bound=SharedLink)


class NewLink(NamedTuple, Generic[L]):
    row: L
    token: str


def share(session: Session, kind: type[L], *, created_by: str, days: int, prefix: str = "", **opens: Any) -> NewLink[L]:
    """A new shared link; `opens` are the columns of its kind that say to what."""
    token = new_token(prefix)
    link = kind(token_hash=token.digest, created_by=created_by, expires_at=now() + timedelta(days=days), **opens)
    session.add(link)
    session.flush()
    return NewLink(link, token.token)


def shared(session: Session, kind: type[L], token: str) -> L | None:
    """The link behind a token, unless it has expired or was revoked. Needs a session across agencies."""
    link = session.exec(select(kind).where(kind.token_hash == token_digest(token))).one_or_none()
    return link if link is not None and link.revoked_at is None and link.expires_at > now() else None


def make_link(
    session: Session, purpose: str, *, valid_for: timedelta, client_id: UUID | None = None, **payload: Any
) -> str:
    """The token of a new link."""
    token = new_token()
    link = OneTimeLink(
        purpose=purpose,
        token_hash=token.digest,
        payload=payload,
        client_id=client_id,
        expires_at=now() + valid_for,
    )
    session.add(link)
    session.flush()
    return token.token


def find_link(session: Session, purpose: str, token: str, *, lock: bool = False) -> OneTimeLink:
    """Needs a session across agencies, or of the link's agency.

    Raises:
        NotFound: no such link. Conflict: used, or expired.
    """
    query = select(OneTimeLink).where(OneTimeLink.token_hash == token_digest(token), OneTimeLink.purpose == purpose)
    link = session.exec(query.with_for_update() if lock else query).one_or_none()
    if link is None:
        raise NotFound("link", f"{token[:6]}…")
    if link.used_at is not None:
        raise Conflict("this link was used already; ask for a new one")
    if link.expires_at <= now():
        raise Conflict("this link has expired; ask for a new one", expired_at=link.expires_at.isoformat())
    return link


def use_link(session: Session, purpose: str, token: str) -> OneTimeLink:
    """Lock the link and mark it as used, in the caller's transaction."""
    link = find_link(session, purpose, token, lock=True)
    link.used_at = now()
    session.add(link)
    return link
