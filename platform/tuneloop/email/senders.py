"""Whom mail comes from."""

from uuid import UUID

from sqlalchemy import or_
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.email.dkim import DkimKey, new_dkim_key
from tuneloop.email.dns import text_records
from tuneloop.email.message import Address
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import MailSender


def sender_of(session: Session, client_id: UUID | None) -> MailSender | None:
    """The client's own sender, or the agency's."""
    rows = session.exec(
        select(MailSender).where(or_(col(MailSender.client_id) == client_id, col(MailSender.client_id).is_(None)))
    ).all()
    return max(rows, key=lambda row: row.client_id is not None, default=None)


def address_for(
    session: Session, client_id: UUID | None, *, settings: Settings, name: str
) -> tuple[Address, str | None]:
    """Whom mail about a client comes from, and where answers go.

    The sender's own address once it is proven; until then the installation's, under the sender's name or else `name`.
    """
    ours = Address.parse(settings.mail_from).email
    sender = sender_of(session, client_id)
    if sender is None:
        return Address(ours, name), None
    if sender.proven_at is None and settings.senders_need_proof:
        return Address(ours, sender.name), sender.reply_to or sender.email
    return Address(sender.email, sender.name), sender.reply_to


def key_of(sender: MailSender, settings: Settings) -> DkimKey | None:
    if sender.dkim_domain is None or sender.dkim_selector is None or sender.dkim_key is None:
        return None
    return DkimKey(sender.dkim_domain, sender.dkim_selector, _vault(settings).open(sender.dkim_key).encode())


def prove_sender(
    session: TenantSession, *, principal: Principal, client_id: UUID | None, settings: Settings
) -> MailSender:
    """Use the sender's own address from now on, if its domain publishes the key: only the domain's owner can do that.

    Raises:
        Conflict: the DNS has no such record. InvalidInput: the sender has no key. Unavailable: the DNS does not answer.
    """
    sender = sender_of(session, client_id)
    key = key_of(sender, settings) if sender else None
    if sender is None or key is None:
        raise InvalidInput("there is no DKIM key to look for; set the sender again, with a new key")
    records = text_records(key.dns_name, server=settings.dns_server)
    if not key.is_published(records):
        found = f"{key.dns_name} holds another record" if records else f"there is no TXT record at {key.dns_name}"
        raise Conflict(f"{found}; publish the key there, and ask again when the DNS has it (minutes to a day)")
    sender.proven_at = now()
    session.add(sender)
    record(
        session,
        principal,
        "mail.sender_proven",
        "mail_sender",
        sender.id,
        client_id=sender.client_id,
        domain=key.domain,
    )
    return sender


def set_sender(
    session: TenantSession,
    *,
    principal: Principal,
    client_id: UUID | None,
    email: str,
    name: str,
    reply_to: str | None,
    new_key: bool,
    settings: Settings,
) -> MailSender:
    """Whom mail comes from. A key of the same domain stays unless a new one is made; the proof goes with the key."""
    row = session.exec(select(MailSender).where(MailSender.client_id == client_id)).one_or_none()
    if row is None:
        row = MailSender(client_id=client_id, email=email, name=name)
    row.email, row.name, row.reply_to = email, name, reply_to
    domain = Address(email).domain
    if new_key or row.dkim_domain != domain:
        row.dkim_domain = row.dkim_selector = row.dkim_key = row.proven_at = None
    if new_key:
        key = new_dkim_key(domain)
        row.dkim_domain, row.dkim_selector = key.domain, key.selector
        row.dkim_key = _vault(settings).seal(key.private_key.decode())
    session.add(row)
    session.flush()
    record(session, principal, "mail.sender", "mail_sender", row.id, client_id=client_id, email=email)
    return row


def _vault(settings: Settings) -> Vault:
    return Vault(settings.secret_key.get_secret_value())
