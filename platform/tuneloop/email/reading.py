"""Whom mail comes from, as people read it."""

from uuid import UUID

from sqlmodel import select

from tuneloop.email.schemas import SenderRead
from tuneloop.email.senders import address_for, key_of, sender_of
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency


def read_sender(session: TenantSession, settings: Settings, client_id: UUID | None) -> SenderRead:
    """Of a client, or of the agency."""
    sender, agency = sender_of(session, client_id), session.exec(select(Agency)).one()
    used, _ = address_for(session, client_id, settings=settings, name=agency.name)
    key = key_of(sender, settings) if sender else None
    return SenderRead(
        email=sender.email if sender else used.email,
        name=sender.name if sender else used.name,
        reply_to=sender.reply_to if sender else None,
        used=used.email,
        proven_at=sender.proven_at if sender else None,
        dns_name=key.dns_name if key else None,
        dns_value=key.dns_value if key else None,
    )
