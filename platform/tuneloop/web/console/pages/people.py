"""Members of the agency, and API keys."""

from typing import TypeVar
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from pydantic import BaseModel, ValidationError

from tuneloop.clients.service import list_clients
from tuneloop.identity.deactivation import (
    deactivate,
    forget_inactive,
    inactive_members,
    keys_of,
    reactivate,
    sign_out_member,
)
from tuneloop.identity.keys import create_key, keys, owner_names, revoke_key, rotate_key
from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.identity.schemas import ApiKeyCreate, RoleChange
from tuneloop.identity.second_factor import who_has_second_factor
from tuneloop.identity.service import (
    change_role,
    members,
    remove_member,
)
from tuneloop.identity.sessions import Activity, activity
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.people.invitations import InvitationState, invitations, invite, resend, show_link, state_of, withdraw
from tuneloop.people.password_links import require_new_password
from tuneloop.people.schemas import InvitationCreate
from tuneloop.people.second_factor import reset
from tuneloop.people.sign_in_policy import change_policy
from tuneloop.tables import Agency, Invitation, Role, User
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, required
from tuneloop.web.console.render import page

Schema = TypeVar("Schema", bound=BaseModel)


class MembersPage(Controller):
    path = "/members"
    include_in_schema = False

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
    ) -> Response[str]:
        return _members(request, session, principal)

    @post(role=Role.ADMIN, sync_to_thread=True)
    def add(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Redirect:
        wanted = _checked(
            InvitationCreate,
            email=required(form, "email", "the e-mail address"),
            role=required(form, "role", "the role"),
            client=optional(form, "client") or None,
        )
        invite(session, principal=principal, settings=settings_of(request), **wanted.model_dump())
        return back_to("/members", f"An invitation goes to {wanted.email}.")

    @post("/invitations/{invitation_id:uuid}/resend", role=Role.ADMIN, sync_to_thread=True)
    def again(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        invitation_id: FromPath[UUID],
    ) -> Redirect:
        row = resend(session, principal=principal, settings=settings_of(request), invitation_id=invitation_id)
        return back_to("/members", f"A new link goes to {row.email}; the one before opens nothing any more.")

    @post("/invitations/{invitation_id:uuid}/link", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def reveal(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        invitation_id: FromPath[UUID],
    ) -> Response[str]:
        """Answers with the page itself, as for a key."""
        url = show_link(session, principal=principal, settings=settings_of(request), invitation_id=invitation_id)
        session.flush()
        return _members(request, session, principal, link=url, invitation_id=invitation_id)

    @post("/invitations/{invitation_id:uuid}/withdraw", role=Role.ADMIN, sync_to_thread=True)
    def withdraw(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        invitation_id: FromPath[UUID],
    ) -> Redirect:
        row = withdraw(session, principal=principal, invitation_id=invitation_id)
        return back_to("/members", f"The invitation of {row.email} is withdrawn; its link opens nothing any more.")

    @post("/{user_id:uuid}/role", role=Role.ADMIN, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        user_id: FromPath[UUID],
    ) -> Redirect:
        wanted = _checked(RoleChange, role=required(form, "role", "the role"))
        member = change_role(session, principal=principal, user_id=user_id, role=wanted.role)
        return back_to("/members", f"{member.user.name} is {wanted.role} now.")

    @post("/{user_id:uuid}/remove", role=Role.ADMIN, sync_to_thread=True)
    def remove(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> Redirect:
        if not forget_inactive(session, principal=principal, user_id=user_id):
            remove_member(session, principal=principal, user_id=user_id)
        return back_to("/members", "Removed, and signed out everywhere.")

    @post("/{user_id:uuid}/deactivate", role=Role.ADMIN, sync_to_thread=True)
    def deactivate(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> Redirect:
        found = deactivate(session, principal=principal, user_id=user_id)
        stopped = len(keys_of(session, [user_id]))
        keys = f" {stopped} {'key' if stopped == 1 else 'keys'} of theirs stopped." if stopped else ""
        return back_to("/members", f"{found.user.name} is deactivated and signed out.{keys}")

    @post("/{user_id:uuid}/reactivate", role=Role.ADMIN, sync_to_thread=True)
    def reactivate(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> Redirect:
        member = reactivate(session, principal=principal, user_id=user_id)
        return back_to("/members", f"{member.user.name} is back, as {member.membership.role}.")

    @post("/{user_id:uuid}/sign-out", role=Role.ADMIN, sync_to_thread=True)
    def sign_out(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> Redirect:
        sign_out_member(session, principal=principal, user_id=user_id)
        return back_to("/members", "Signed out, everywhere.")

    @post("/{user_id:uuid}/password-reset", role=Role.ADMIN, sync_to_thread=True)
    def new_password(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> Redirect:
        user = require_new_password(session, principal=principal, user_id=user_id, settings=settings_of(request))
        return back_to("/members", f"{user.name} is signed out and gets a link to choose a new password.")

    @post("/{user_id:uuid}/second-factor-reset", role=Role.ADMIN, sync_to_thread=True)
    def lost(self, request: HttpRequest, principal: NamedDependency[Principal], user_id: FromPath[UUID]) -> Redirect:
        with database_of(request).all_agencies() as everywhere:
            gone = reset(everywhere, principal=principal, user_id=user_id, settings=settings_of(request))
            name = everywhere.get_one(User, user_id).name
        waits = "it stays until an admin of each other agency that they work for says so too."
        return back_to("/members", f"{name} hears of it by mail; {'their second factor is off.' if gone else waits}")

    @post("/sign-in-policy", role=Role.OWNER, sync_to_thread=True)
    def ask(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Redirect:
        required_now = optional(form, "second_factor") == "required"
        change_policy(session, principal=principal, second_factor_required=required_now)
        said = "Everybody is asked for a second factor now." if required_now else "A second factor is left to each now."
        return back_to("/members", said)


ALL_CLIENTS, INFERENCE, UPLOAD = "*", "inference", "upload"
GRACE_HOURS = 24


class KeysPage(Controller):
    path = "/keys"
    include_in_schema = False

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, request: HttpRequest, session: NamedDependency[TenantSession]) -> Response[str]:
        return _keys(request, session)

    @post(role=Role.ADMIN, sync_to_thread=True)
    def create(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
    ) -> Response[str]:
        """Answers with the page itself: the key is shown once, and never travels in an address or a cookie."""
        role = required(form, "role", "what it may do")
        reach = required(form, "client", "the client that the key is confined to")
        wanted = _checked(
            ApiKeyCreate,
            name=required(form, "name", "the name"),
            role=Role.VIEWER if role in (INFERENCE, UPLOAD) else role,
            client=None if reach == ALL_CLIENTS else reach,
            all_clients=reach == ALL_CLIENTS,
            inference_only=role == INFERENCE,
            upload_only=role == UPLOAD,
            days=optional(form, "days") or None,
        )
        _, token = create_key(session, principal=principal, **wanted.model_dump(exclude={"all_clients"}))
        session.flush()
        return _keys(request, session, token=token)

    @post("/{key_id:uuid}/rotate", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def rotate(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        key_id: FromPath[UUID],
    ) -> Response[str]:
        """Answers with the page itself, as for a new key."""
        _, token = rotate_key(session, principal=principal, key_id=key_id, grace_hours=GRACE_HOURS)
        session.flush()
        return _keys(request, session, token=token)

    @post("/{key_id:uuid}/revoke", role=Role.ADMIN, sync_to_thread=True)
    def revoke(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        key_id: FromPath[UUID],
    ) -> Redirect:
        row = revoke_key(session, principal=principal, key_id=key_id)
        return back_to("/keys", f"{row.name} is revoked; it stops working at once.")


def _members(
    request: HttpRequest,
    session: TenantSession,
    principal: Principal,
    *,
    link: str = "",
    invitation_id: UUID | None = None,
) -> Response[str]:
    clients = list_clients(session)
    found = members(session)
    waiting = [(one, state_of(one.invitation)) for one in invitations(session)]
    return page(
        request,
        "members.html",
        members=found,
        guarded=who_has_second_factor(session, [one.user.id for one in found]),
        required=session.get_one(Agency, principal.agency_id).second_factor_required,
        me=principal.person_id,
        inactive=inactive_members(session),
        activity=activity(session, principal.agency_id),
        no_activity=Activity(),
        waiting=[(one, state) for one, state in waiting if state in (InvitationState.OPEN, InvitationState.EXPIRED)],
        link=link,
        shown=session.get(Invitation, invitation_id) if invitation_id else None,
        clients=clients,
        client_names={client.id: client.name for client in clients},
        roles=list(Role),
    )


def _keys(request: HttpRequest, session: TenantSession, *, token: str = "") -> Response[str]:
    clients = list_clients(session)
    return page(
        request,
        "keys.html",
        keys=keys(session),
        token=token,
        clients=clients,
        client_names={client.id: client.name for client in clients},
        owners=owner_names(session),
        roles=[Role.VIEWER, Role.OPERATOR, Role.ADMIN],
        moment=now(),
    )


def _checked(schema: type[Schema], **values: object) -> Schema:
    """Raises InvalidInput with a sentence about the first field that does not fit."""
    try:
        return schema.model_validate(values)
    except ValidationError as problem:
        first = problem.errors()[0]
        field = ".".join(str(place) for place in first["loc"])
        raise InvalidInput(f"{field}: {first['msg']}", field=field) from None
