"""HTTP: sign-in, members, API keys."""

from uuid import UUID

from litestar import Controller, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.identity.keys import create_key, keys, owner_name, revoke_key
from tuneloop.identity.request import COOKIE, HttpRequest, at_password_desk, database_of, session_cookie
from tuneloop.identity.route_changes import notify_routes_changed
from tuneloop.identity.schemas import (
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyRead,
    Me,
    MemberRead,
    RoleChange,
    SignedIn,
    SignIn,
)
from tuneloop.identity.service import (
    Browser,
    Member,
    change_role,
    members,
    remove_member,
    sign_in,
    sign_out,
)
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency, ApiKey, Client, Role


def _client_slug(session: TenantSession, client_id: UUID | None) -> str | None:
    return session.get_one(Client, client_id).slug if client_id else None


def _read_member(session: TenantSession, member: Member) -> MemberRead:
    return MemberRead(
        user_id=member.user.id,
        email=member.user.email,
        name=member.user.name,
        role=member.membership.role,
        client=_client_slug(session, member.membership.member_client_id),
    )


def _key_fields(session: TenantSession, row: ApiKey) -> dict[str, object]:
    return {
        **row.model_dump(include=set(ApiKeyRead.model_fields) - {"client", "owner"}),
        "owner": owner_name(session, row),
        "client": _client_slug(session, row.scope_client_id),
    }


class SessionController(Controller):
    path = "/api/v1/session"
    tags = ("session",)

    @post(public=True)
    async def enter(self, request: HttpRequest, data: JSONBody[SignIn]) -> Response[SignedIn]:
        """Sign in with e-mail and password; answers with a session cookie and a CSRF token."""

        def work() -> Browser:
            with database_of(request).all_agencies() as session:
                return sign_in(session, email=data.email, password=data.password, agency=data.agency)

        browser = await at_password_desk(request, data.email, work)
        cookie = session_cookie(request, browser)
        return Response(SignedIn(csrf_token=browser.csrf_token, expires_at=browser.expires_at), cookies=[cookie])

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def me(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> Me:
        """Who you are."""
        return Me(
            name=principal.name,
            role=principal.role,
            agency=session.get_one(Agency, principal.agency_id).slug,
            client=_client_slug(session, principal.client_id),
        )

    @delete(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def leave(self, request: HttpRequest, principal: NamedDependency[Principal]) -> None:
        """Sign out."""
        del principal
        with database_of(request).all_agencies() as session:
            sign_out(session, token=request.cookies.get(COOKIE, ""))


class MemberController(Controller):
    path = "/api/v1/members"
    tags = ("members",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession]) -> list[MemberRead]:
        """Members of your agency."""
        return [_read_member(session, member) for member in members(session)]

    @put("/{user_id:uuid}/role", role=Role.ADMIN, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
        data: JSONBody[RoleChange],
    ) -> MemberRead:
        """Give a member another role."""
        return _read_member(session, change_role(session, principal=principal, user_id=user_id, role=data.role))

    @delete("/{user_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def remove(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> None:
        """Remove a member; ends their sessions."""
        remove_member(session, principal=principal, user_id=user_id)


class ApiKeyController(Controller):
    path = "/api/v1/keys"
    tags = ("keys",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession]) -> list[ApiKeyRead]:
        """API keys of your agency, without their secret part."""
        return [ApiKeyRead.model_validate(_key_fields(session, row)) for row in keys(session)]

    @post(role=Role.ADMIN, sync_to_thread=True)
    def create(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[ApiKeyCreate],
    ) -> ApiKeyCreated:
        """Make an API key, for the agency or confined to one client. The key is shown once."""
        row, token = create_key(session, principal=principal, **data.model_dump(exclude={"all_clients"}))
        notify_routes_changed(session)
        return ApiKeyCreated.model_validate({**_key_fields(session, row), "key": token})

    @delete("/{key_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def revoke(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        key_id: FromPath[UUID],
    ) -> None:
        """Revoke a key; it stops working at once."""
        revoke_key(session, principal=principal, key_id=key_id)
        notify_routes_changed(session)
