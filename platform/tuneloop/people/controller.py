"""HTTP: invitations, and new passwords."""

from uuid import UUID

from litestar import Controller, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT

from tuneloop.identity.request import HttpRequest, database_of, session_cookie, settings_of
from tuneloop.identity.schemas import SignedIn
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.people.alert_mail import choose as choose_alert_mail
from tuneloop.people.alert_mail import own_membership
from tuneloop.people.desk import accept_at_desk, change_at_desk
from tuneloop.people.invitations import (
    Listed,
    invitations,
    invite,
    listed,
    offer_of,
    resend,
    show_link,
    state_of,
    withdraw,
)
from tuneloop.people.password_links import choose, forgotten, require_new_password
from tuneloop.people.schemas import (
    Acceptance,
    AlertMailChoice,
    Forgotten,
    InvitationCreate,
    InvitationLink,
    InvitationRead,
    NewPassword,
    OfferRead,
    PasswordChange,
    Token,
)
from tuneloop.tables import Client, Invitation, Role


def read_invitation(session: TenantSession, found: Listed) -> InvitationRead:
    row, mail = found
    return InvitationRead(
        **row.model_dump(include={"id", "email", "role", "invited_by", "created_at", "expires_at"}),
        client=session.get_one(Client, row.invited_client_id).slug if row.invited_client_id else None,
        state=state_of(row),
        mail=mail.state if mail else None,
        mail_failure=mail.failure if mail else None,
    )


class InvitationController(Controller):
    path = "/api/v1/invitations"
    tags = ("members",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession]) -> list[InvitationRead]:
        """Who was asked to join, newest first."""
        return [read_invitation(session, found) for found in invitations(session)]

    @post(role=Role.ADMIN, sync_to_thread=True)
    def invite(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[InvitationCreate],
    ) -> InvitationRead:
        """Ask somebody to join, by a mail with a link. They choose their own password."""
        row = invite(session, principal=principal, settings=settings_of(request), **data.model_dump())
        return read_invitation(session, listed(session, row))

    @post("/{invitation_id:uuid}/resend", role=Role.ADMIN, status_code=HTTP_200_OK, sync_to_thread=True)
    def again(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        invitation_id: FromPath[UUID],
    ) -> InvitationRead:
        """Send a new link, with new time; the one before stops working."""
        row = resend(session, principal=principal, settings=settings_of(request), invitation_id=invitation_id)
        return read_invitation(session, listed(session, row))

    @post("/{invitation_id:uuid}/link", role=Role.ADMIN, status_code=HTTP_200_OK, sync_to_thread=True)
    def reveal(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        invitation_id: FromPath[UUID],
    ) -> InvitationLink:
        """Show the link, where no mail arrives. The audit log says who saw it."""
        url = show_link(session, principal=principal, settings=settings_of(request), invitation_id=invitation_id)
        return InvitationLink(url=url, expires_at=session.get_one(Invitation, invitation_id).expires_at)

    @delete("/{invitation_id:uuid}", role=Role.ADMIN, sync_to_thread=True)
    def withdraw(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        invitation_id: FromPath[UUID],
    ) -> None:
        """Take an invitation back; its link stops working."""
        withdraw(session, principal=principal, invitation_id=invitation_id)

    @post("/offer", public=True, status_code=HTTP_200_OK, sync_to_thread=True)
    def offer(self, request: HttpRequest, data: JSONBody[Token]) -> OfferRead:
        """What the link of an invitation asks. Looking changes nothing."""
        with database_of(request).all_agencies() as session:
            found = offer_of(session, data.token)
        row = found.invitation
        return OfferRead(
            agency=found.agency.name,
            client=found.client.name if found.client else None,
            known=found.known,
            **row.model_dump(include={"email", "role", "invited_by", "expires_at"}),
        )

    @post("/accept", public=True)
    async def accept(self, request: HttpRequest, data: JSONBody[Acceptance]) -> Response[SignedIn]:
        """Join the agency, and be signed in: with a password of your own, or the one you have."""
        browser = await accept_at_desk(request, **data.model_dump(), origin="api")
        signed_in = SignedIn(csrf_token=browser.csrf_token, expires_at=browser.expires_at)
        return Response(signed_in, cookies=[session_cookie(request, browser)])


class PasswordResetController(Controller):
    path = "/api/v1/members"
    tags = ("members",)

    @post("/{user_id:uuid}/password-reset", role=Role.ADMIN, status_code=HTTP_202_ACCEPTED, sync_to_thread=True)
    def require(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        user_id: FromPath[UUID],
    ) -> None:
        """Have a member choose a new password, by a link that goes to them. They are signed out of your agency."""
        require_new_password(session, principal=principal, user_id=user_id, settings=settings_of(request))


class AlertMailController(Controller):
    path = "/api/v1/account/alert-mail"
    tags = ("session",)

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def show(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> AlertMailChoice:
        """Whether you get alerts of this agency by mail."""
        return AlertMailChoice(when=own_membership(session, principal).alert_mail)

    @put(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def choose(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[AlertMailChoice],
    ) -> AlertMailChoice:
        """Say whether you get them. Operators, admins and owners do."""
        return AlertMailChoice(when=choose_alert_mail(session, principal=principal, when=data.when))


class PasswordController(Controller):
    path = "/api/v1/password"
    tags = ("session",)

    @post("/forgotten", public=True, status_code=HTTP_202_ACCEPTED, sync_to_thread=True)
    def forgotten(self, request: HttpRequest, data: JSONBody[Forgotten]) -> None:
        """Get a link to choose a new password. The answer is the same whether or not anybody has this address."""
        with database_of(request).all_agencies() as session:
            forgotten(session, email=data.email, settings=settings_of(request))

    @post("/reset", public=True, status_code=HTTP_204_NO_CONTENT, sync_to_thread=True)
    def reset(self, request: HttpRequest, data: JSONBody[NewPassword]) -> None:
        """Choose a new password, with the link from the mail. You are signed out everywhere."""
        with database_of(request).all_agencies() as session:
            choose(session, token=data.token, password=data.password, settings=settings_of(request))

    @put(role=Role.CLIENT_VIEWER, status_code=HTTP_204_NO_CONTENT, without_second_factor=True)
    async def change(
        self, request: HttpRequest, principal: NamedDependency[Principal], data: JSONBody[PasswordChange]
    ) -> None:
        """Change your own password. You are signed out everywhere."""
        await change_at_desk(request, principal, **data.model_dump())
