"""People with a password of their own, as if they had accepted an invitation."""

from sqlmodel import Session

from tuneloop.identity.passwords import set_password
from tuneloop.identity.service import Member
from tuneloop.identity.service import add_member as join_agency
from tuneloop.kit.principal import Principal
from tuneloop.tables import Role


def add_member(
    session: Session,
    *,
    principal: Principal,
    email: str,
    name: str,
    role: Role,
    password: str,
    client: str | None = None,
) -> Member:
    member = join_agency(session, principal=principal, email=email, name=name, role=role, client=client)
    set_password(session, member.user, password)
    return member
