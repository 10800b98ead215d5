"""Letting admins and owners know that something binds less than before."""

from sqlmodel import Session

from tuneloop.audit.service import record
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.principal import Principal
from tuneloop.people.jobs import TellAdmins
from tuneloop.tables import Client


def tell_admins(
    session: Session,
    *,
    principal: Principal,
    client: Client | None,
    about: str,
    kind: str,
    subject_id: object,
    changes: list[str],
) -> None:
    """Audit it as `policy.loosen`, and mail it. `about` is what now binds less: a model, a plan or the agency."""
    client_id = client.id if client else None
    event = record(
        session, principal, "policy.loosen", kind, subject_id, client_id=client_id, about=about, changes=changes
    )
    session.flush()
    enqueue(session, TellAdmins(event_id=event.id), agency_id=principal.agency_id)
