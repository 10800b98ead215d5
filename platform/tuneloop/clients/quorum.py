"""How many people must approve for a client, and that whoever this binds does not make them fewer."""

from sqlmodel import Session

from tuneloop.clients.entitlements import quorum
from tuneloop.kit.errors import NotAllowed
from tuneloop.kit.principal import Principal
from tuneloop.tables import ActorKind, Client, Plan, Role

APPROVALS_OF_PLAN = {Plan.PREMIUM: 2}


def people_needed(session: Session, client: Client) -> int:
    """By the client's plan, where a model's policy says nothing else."""
    return quorum(session, client.id) or APPROVALS_OF_PLAN.get(client.plan, 1)


def require_owner(principal: Principal, *, to: str) -> None:
    """Rules of approval bind operators and admins, so an owner loosens them: a person, or a key of theirs.

    Raises:
        NotAllowed: anybody else.
    """
    service_key = principal.kind is ActorKind.API_KEY and principal.person_id is None
    if principal.client_id is not None or service_key or not principal.may(Role.OWNER):
        raise NotAllowed(f"only an owner of the agency may {to}; ask one", needed=Role.OWNER, role=principal.role)
