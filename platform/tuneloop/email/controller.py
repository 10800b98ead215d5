"""HTTP: mail that went out, whom it comes from, and who gets none."""

from uuid import UUID

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK

from tuneloop.clients.service import client_id_of
from tuneloop.email.reading import read_sender
from tuneloop.email.schemas import BlockRead, DeliveryAttemptRead, MailDetail, MailRead, SenderRead, SenderWrite
from tuneloop.email.senders import prove_sender, set_sender
from tuneloop.email.service import attempts_of, blocks, find_mail, lift_block, list_mail
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role


class MailController(Controller):
    path = "/api/v1/mail"
    tags = ("mail",)

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession], limit: FromQuery[int] = 100) -> list[MailRead]:
        """Mail that went out, newest first."""
        return [MailRead.model_validate(row) for row in list_mail(session, limit=min(limit, 1000))]

    @get("/{mail_id:uuid}", role=Role.VIEWER, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession], mail_id: FromPath[UUID]) -> MailDetail:
        """One mail with every attempt to deliver it."""
        mail = find_mail(session, mail_id)
        tries = [DeliveryAttemptRead.model_validate(row) for row in attempts_of(session, mail.id)]
        return MailDetail(**MailRead.model_validate(mail).model_dump(), text=mail.text, tries=tries)

    @get("/blocks", role=Role.VIEWER, sync_to_thread=True)
    def blocked(self, session: NamedDependency[TenantSession]) -> list[BlockRead]:
        """Addresses that get no mail: unsubscribed, or they do not exist."""
        return [BlockRead.model_validate(row) for row in blocks(session)]

    @delete("/blocks/{block_id:uuid}", role=Role.OPERATOR, sync_to_thread=True)
    def unblock(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        block_id: FromPath[UUID],
    ) -> None:
        """Write to an address again."""
        lift_block(session, principal=principal, block_id=block_id)

    @get("/sender", role=Role.VIEWER, sync_to_thread=True)
    def sender(
        self, request: HttpRequest, session: NamedDependency[TenantSession], client: FromQuery[str | None] = None
    ) -> SenderRead:
        """Whom mail comes from."""
        client_id = client_id_of(session, client)
        return read_sender(session, settings_of(request), client_id)

    @put("/sender", role=Role.ADMIN, sync_to_thread=True)
    def change_sender(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[SenderWrite],
    ) -> SenderRead:
        """Say whom mail comes from, and make a DKIM key for its domain if asked."""
        settings = settings_of(request)
        client_id = client_id_of(session, data.client)
        set_sender(
            session,
            principal=principal,
            client_id=client_id,
            email=data.email,
            name=data.name,
            reply_to=data.reply_to,
            new_key=data.new_dkim_key,
            settings=settings,
        )
        return read_sender(session, settings, client_id)

    @post("/sender/proof", role=Role.ADMIN, sync_to_thread=True, status_code=HTTP_200_OK)
    def prove(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromQuery[str | None] = None,
    ) -> SenderRead:
        """Look for the sender's DKIM key in its domain's DNS; found there, mail comes from the sender's own address."""
        settings = settings_of(request)
        client_id = client_id_of(session, client)
        prove_sender(session, principal=principal, client_id=client_id, settings=settings)
        return read_sender(session, settings, client_id)
