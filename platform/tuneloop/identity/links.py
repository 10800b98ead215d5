"""Links that do one thing once, for whoever holds them: the token is random and only its hash is stored."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session, select

from tuneloop.identity.secrets import new_token, token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.tables import OneTimeLink


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
