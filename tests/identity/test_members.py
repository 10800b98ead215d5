"""Who may give which role to whom; an agency always has an owner."""

from uuid import UUID

import pytest

from tests.support.factories import make_agency, owner_of
from tests.support.people import add_member
from tuneloop.identity.service import Member, change_role, members, remove_member
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import ActorKind, Agency, Client, Role


def add(session: TenantSession, principal: Principal, name: str, role: Role, client: str | None = None) -> Member:
    return add_member(
        session,
        principal=principal,
        email=f"{name}@example.com",
        name=name,
        role=role,
        password="a long password",
        client=client,
    )


@pytest.fixture
def owner(agency: Agency) -> Principal:
    return owner_of(agency)


@pytest.fixture
def admin(agency: Agency) -> Principal:
    return Principal(agency.id, Role.ADMIN, ActorKind.USER, None, "Adam Admin", "test")


def test_a_member_is_listed_once(session: TenantSession, owner: Principal) -> None:
    add(session, owner, "ann", Role.VIEWER)
    with pytest.raises(Conflict, match="member already"):
        add(session, owner, "ann", Role.ADMIN)
    assert [(member.user.name, member.membership.role) for member in members(session)] == [("ann", Role.VIEWER)]


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_only_an_owner_makes_owners_and_admins(
    session: TenantSession, owner: Principal, admin: Principal, role: Role
) -> None:
    member = add(session, owner, "ann", Role.VIEWER)
    with pytest.raises(NotAllowed):
        add(session, admin, "bob", role)
    with pytest.raises(NotAllowed):
        change_role(session, principal=admin, user_id=member.user.id, role=role)
    assert change_role(session, principal=owner, user_id=member.user.id, role=role).membership.role is role


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_an_admin_cannot_demote_or_remove_admins_and_owners(
    session: TenantSession, owner: Principal, admin: Principal, role: Role
) -> None:
    add(session, owner, "zoe", Role.OWNER)
    member = add(session, owner, "ann", role)
    with pytest.raises(NotAllowed):
        change_role(session, principal=admin, user_id=member.user.id, role=Role.VIEWER)
    with pytest.raises(NotAllowed):
        remove_member(session, principal=admin, user_id=member.user.id)


def test_an_admin_manages_the_rest(session: TenantSession, admin: Principal) -> None:
    member = add(session, admin, "ann", Role.VIEWER)
    change_role(session, principal=admin, user_id=member.user.id, role=Role.OPERATOR)
    remove_member(session, principal=admin, user_id=member.user.id)
    assert members(session) == []


def test_the_last_owner_stays(session: TenantSession, owner: Principal) -> None:
    first = add(session, owner, "ann", Role.OWNER).user.id
    with pytest.raises(Conflict, match="at least one owner"):
        change_role(session, principal=owner, user_id=first, role=Role.ADMIN)
    with pytest.raises(Conflict, match="at least one owner"):
        remove_member(session, principal=owner, user_id=first)
    add(session, owner, "bob", Role.OWNER)
    remove_member(session, principal=owner, user_id=first)
    assert [member.user.name for member in members(session)] == ["bob"]


def test_a_client_viewer_and_nobody_else_has_a_client(
    session: TenantSession, owner: Principal, client_row: Client
) -> None:
    with pytest.raises(InvalidInput, match="bound to a client"):
        add(session, owner, "ann", Role.CLIENT_VIEWER)
    with pytest.raises(InvalidInput, match="bound to a client"):
        add(session, owner, "ann", Role.VIEWER, client=client_row.slug)
    member = add(session, owner, "ann", Role.CLIENT_VIEWER, client=client_row.slug)
    assert member.membership.member_client_id == client_row.id
    with pytest.raises(InvalidInput, match="add them again"):
        change_role(session, principal=owner, user_id=member.user.id, role=Role.VIEWER)


def test_an_operator_manages_nobody(session: TenantSession, agency: Agency) -> None:
    with pytest.raises(NotAllowed):
        add(session, Principal.system(agency.id, "monitor"), "ann", Role.VIEWER)


def test_a_stranger_is_not_found(session: TenantSession, owner: Principal, database: Database) -> None:
    south = make_agency(database, "south")
    with database.unit(south.id) as other:
        stranger: UUID = add(other, owner_of(south), "eve", Role.VIEWER).user.id
    for user_id in (stranger, new_id()):
        with pytest.raises(NotFound, match="no member"):
            remove_member(session, principal=owner, user_id=user_id)
