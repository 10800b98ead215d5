"""HTTP: sign-in, members, API keys."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from litestar import Controller, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK

from tuneloop.clients.service import client_slugs
from tuneloop.identity.deactivation import (
    Inactive,
    deactivate,
    forget_inactive,
    inactive_members,
    keys_of,
    reactivate,
    sign_out_member,
)
from tuneloop.identity.keys import create_key, keys, owner_names, revoke_key, rotate_key
from tuneloop.identity.request import (
    COOKIE,
    HttpRequest,
    at_password_desk,
    database_of,
    seen_of,
    session_cookie,
    settings_of,
)
from tuneloop.identity.schemas import (
    AccountRead,
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyRead,
    KeyRotation,
    Me,
    MemberRead,
    OwnKeyRead,
    OwnSessionRead,
    RoleChange,
    SignedIn,
    SignIn,
)
from tuneloop.identity.second_factor import recovery_codes_left, second_factor_of, who_has_second_factor
from tuneloop.identity.service import (
    Browser,
    Member,
    change_role,
    members,
    remove_member,
    sign_in,
    sign_out,
)
from tuneloop.identity.sessions import (
    Activity,
    activity,
    end_own_session,
    own_keys,
    own_sessions,
    person_of_principal,
    sign_out_everywhere,
)
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency, ApiKey, Client, Role, User


def read_members(session: TenantSession, agency_id: UUID, found: Iterable[Member]) -> list[MemberRead]:
    busy = activity(session, agency_id)
    found = list(found)
    guarded = who_has_second_factor(session, [member.user.id for member in found])
    slugs = client_slugs(session)
    return [
        MemberRead(
            user_id=member.user.id,
            email=member.user.email,
            name=member.user.name,
            role=member.membership.role,
            client=slugs[bound] if (bound := member.membership.member_client_id) else None,
            active=True,
            second_factor=member.user.id in guarded,
            last_sign_in_at=member.membership.last_sign_in_at,
            **busy.get(member.user.id, Activity())._asdict(),
        )
        for member in found
    ]


def read_inactive(session: TenantSession, found: Sequence[Inactive]) -> list[MemberRead]:
    slugs, stopped = client_slugs(session), keys_of(session, [each.user.id for each in found])
    return [
        MemberRead(
            user_id=each.user.id,
            email=each.user.email,
            name=each.user.name,
            role=each.row.role,
            client=slugs[each.row.member_client_id] if each.row.member_client_id else None,
            active=False,
            keys=sum(key.created_by == each.user.id for key in stopped),
        )
        for each in found
    ]


def _key_fields(session: TenantSession, rows: Sequence[ApiKey]) -> list[dict[str, object]]:
    owners, slugs = owner_names(session), client_slugs(session)
    return [
        {
            **row.model_dump(include=set(ApiKeyRead.model_fields) - {"client", "owner"}),
            "owner": owners.get(row.created_by) if row.created_by else None,
            "client": slugs[row.scope_client_id] if row.scope_client_id else None,
        }
        for row in rows
    ]


class SessionController(Controller):
    path = "/api/v1/session"
    tags = ("session",)

    @post(public=True)
    async def enter(self, request: HttpRequest, data: JSONBody[SignIn]) -> Response[SignedIn]:
        """Sign in with e-mail and password; answers with a session cookie and a CSRF token."""

        def work() -> Browser:
            with database_of(request).all_agencies() as session:
                keys = settings_of(request).secret_key
                return sign_in(session, **data.model_dump(), keys=keys, seen=seen_of(request))

        browser = await at_password_desk(request, data.email, work)
        cookie = session_cookie(request, browser)
        return Response(SignedIn(csrf_token=browser.csrf_token, expires_at=browser.expires_at), cookies=[cookie])

    @get(role=Role.CLIENT_VIEWER, without_second_factor=True, sync_to_thread=True)
    def me(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> Me:
        """Who you are."""
        return Me(
            name=principal.name,
            role=principal.role,
            agency=session.get_one(Agency, principal.agency_id).slug,
            client=session.get_one(Client, principal.client_id).slug if principal.client_id else None,
        )

    @delete(role=Role.CLIENT_VIEWER, without_second_factor=True, sync_to_thread=True)
    def leave(self, request: HttpRequest, principal: NamedDependency[Principal]) -> None:
        """Sign out."""
        del principal
        with database_of(request).all_agencies() as session:
            sign_out(session, token=request.cookies.get(COOKIE, ""))


class MemberController(Controller):
    path = "/api/v1/members"
    tags = ("members",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> list[MemberRead]:
        """Members of your agency, those who are deactivated last."""
        active = read_members(session, principal.agency_id, members(session))
        return active + read_inactive(session, inactive_members(session))

    @put("/{user_id:uuid}/role", role=Role.ADMIN, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
        data: JSONBody[RoleChange],
    ) -> MemberRead:
        """Give a member another role."""
        member = change_role(session, principal=principal, user_id=user_id, role=data.role)
        return read_members(session, principal.agency_id, [member])[0]

    @delete("/{user_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def remove(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> None:
        """Remove a member; ends their sessions."""
        if not forget_inactive(session, principal=principal, user_id=user_id):
            remove_member(session, principal=principal, user_id=user_id)

    @post("/{user_id:uuid}/deactivate", role=Role.ADMIN, status_code=HTTP_200_OK, sync_to_thread=True)
    def deactivate(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> MemberRead:
        """Take a member out: their sessions end, and their keys, Slack user and mailed links do nothing until they are
        back."""
        found = deactivate(session, principal=principal, user_id=user_id)
        return read_inactive(session, [found])[0]

    @post("/{user_id:uuid}/reactivate", role=Role.ADMIN, status_code=HTTP_200_OK, sync_to_thread=True)
    def reactivate(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> MemberRead:
        """Put a member back, with the role they had; keys that were not revoked work again."""
        member = reactivate(session, principal=principal, user_id=user_id)
        return read_members(session, principal.agency_id, [member])[0]

    @delete("/{user_id:uuid}/sessions", role=Role.ADMIN, sync_to_thread=True)
    def sign_out(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> None:
        """Sign a member out of your agency, everywhere."""
        sign_out_member(session, principal=principal, user_id=user_id)


class AccountController(Controller):
    path = "/api/v1/account"
    tags = ("session",)
    opt = {"without_second_factor": True}

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def show(self, request: HttpRequest, principal: NamedDependency[Principal]) -> AccountRead:
        """Your account: where you are signed in, and the keys that you made."""
        with database_of(request).all_agencies() as everywhere:
            return read_account(everywhere, principal)

    @delete("/sessions", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def leave_everywhere(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> None:
        """Sign out everywhere, also here."""
        sign_out_everywhere(session, principal=principal)

    @delete("/sessions/{session_id:uuid}", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def end(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        session_id: FromPath[UUID],
    ) -> None:
        """Sign one browser out."""
        end_own_session(session, principal=principal, session_id=session_id)


def read_account(session: TenantSession, principal: Principal) -> AccountRead:
    """Needs a session across agencies."""
    user = session.get_one(User, person_of_principal(principal))
    return AccountRead(
        name=user.name,
        email=user.email,
        second_factor=second_factor_of(session, user.id) is not None,
        recovery_codes=recovery_codes_left(session, user.id),
        sessions=[
            OwnSessionRead(
                agency=agency,
                **row.model_dump(include={"id", "device", "address", "created_at", "last_used_at", "expires_at"}),
            )
            for row, agency in own_sessions(session, principal=principal)
        ],
        keys=[OwnKeyRead.model_validate(row.model_dump()) for row in own_keys(session, principal=principal)],
    )


class ApiKeyController(Controller):
    path = "/api/v1/keys"
    tags = ("keys",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession]) -> list[ApiKeyRead]:
        """API keys of your agency, without their secret part."""
        return [ApiKeyRead.model_validate(fields) for fields in _key_fields(session, keys(session))]

    @post(role=Role.ADMIN, sync_to_thread=True)
    def create(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[ApiKeyCreate],
    ) -> ApiKeyCreated:
        """Make an API key, for the agency or confined to one client. The key is shown once."""
        row, token = create_key(session, principal=principal, **data.model_dump(exclude={"all_clients"}))
        return ApiKeyCreated.model_validate({**_key_fields(session, [row])[0], "key": token})

    @post("/{key_id:uuid}/rotate", role=Role.ADMIN, status_code=HTTP_200_OK, sync_to_thread=True)
    def rotate(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        key_id: FromPath[UUID],
        data: JSONBody[KeyRotation],
    ) -> ApiKeyCreated:
        """A new secret for a key, shown once; the old one works on for a while."""
        row, token = rotate_key(session, principal=principal, key_id=key_id, grace_hours=data.grace_hours)
        return ApiKeyCreated.model_validate({**_key_fields(session, [row])[0], "key": token})

    @delete("/{key_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def revoke(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        key_id: FromPath[UUID],
    ) -> None:
        """Revoke a key; it stops working at once."""
        revoke_key(session, principal=principal, key_id=key_id)
