"""Clients of an agency."""

from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.errors import Conflict, NotAllowed, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import Client, Domain, Plan, Role


def create_client(
    session: Session,
    *,
    principal: Principal,
    slug: str,
    name: str,
    domain: Domain,
    plan: Plan,
    contacts: list[dict[str, str]],
) -> Client:
    principal.require(Role.OPERATOR)
    if principal.client_id is not None:
        raise NotAllowed("your key is confined to one client; use an agency-wide key to add clients")
    if session.exec(select(Client).where(Client.slug == slug)).one_or_none():
        raise Conflict(f"there is a client {slug} already", slug=slug)
    client = Client(slug=slug, name=name, domain=domain, plan=plan, contacts=contacts)
    session.add(client)
    session.flush()
    record(session, principal, "client.create", "client", client.id, client_id=client.id, slug=slug, plan=plan)
    return client


def change_client(
    session: Session,
    *,
    principal: Principal,
    client: str,
    name: str | None = None,
    contacts: list[dict[str, str]] | None = None,
) -> Client:
    """What is None stays."""
    principal.require(Role.OPERATOR)
    row = find_client(session, client)
    before = {"name": row.name, "contacts": row.contacts}
    row.name = row.name if name is None else name
    row.contacts = row.contacts if contacts is None else contacts
    session.add(row)
    session.flush()
    record(session, principal, "client.change", "client", row.id, client_id=row.id, before=before)
    return row


def find_client(session: Session, slug: str) -> Client:
    query = select(Client).where(Client.slug == slug, col(Client.erased_at).is_(None))
    client = session.exec(query).one_or_none()
    if client is None:
        raise NotFound("client", slug)
    return client


def client_id_of(session: Session, slug: str | None) -> UUID | None:
    """None where no client is named: what is asked for is the agency's own."""
    return find_client(session, slug).id if slug else None


def client_slugs(session: Session) -> dict[UUID, str]:
    """Of all, the erased ones too."""
    return dict(session.exec(select(Client.id, Client.slug)).all())


def list_clients(session: Session) -> list[Client]:
    return list(session.exec(select(Client).where(col(Client.erased_at).is_(None)).order_by(Client.slug)))
