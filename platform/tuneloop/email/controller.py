"""HTTP: mail that went out, whom it comes from, and who gets none."""

from datetime import datetime
from typing import Self
from uuid import UUID

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK
from pydantic import BaseModel, ConfigDict, EmailStr, Field

from tuneloop.clients.service import client_id_of
from tuneloop.email.message import Address
from tuneloop.email.senders import address_for, key_of, prove_sender, sender_of, set_sender
from tuneloop.email.service import attempts_of, blocks, find_mail, lift_block, list_mail
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import AttemptOutcome, BlockReason, MailState, Role


class MailRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    subject_kind: str
    subject_id: str
    recipient_email: str
    recipient_name: str
    sender_email: str
    subject: str
    state: MailState
    attempts: int
    failure: str | None
    created_at: datetime
    sent_at: datetime | None


class DeliveryAttemptRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    number: int
    started_at: datetime
    handed_over_at: datetime | None
    ended_at: datetime | None
    outcome: AttemptOutcome | None
    code: int | None
    reply: str | None
    server: str | None
    encrypted: bool | None


class MailDetail(MailRead):
    text: str
    tries: list[DeliveryAttemptRead]


class BlockRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    reason: BlockReason
    detail: str
    at: datetime


class SenderWrite(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"email": "reports@north.example", "name": "North Agency"}]}
    )

    email: EmailStr
    name: str = Field(min_length=1, max_length=120)
    reply_to: EmailStr | None = None
    client: str | None = Field(default=None, description="only for mail about this client")
    new_dkim_key: bool = Field(default=False, description="make a key; the answer says what to publish in DNS")


class SenderRead(BaseModel):
    """`used` is whom mail comes from now: an address that is not `proven` stands back for the installation's."""

    email: str
    name: str
    reply_to: str | None
    used: str
    proven_at: datetime | None
    dns_name: str | None = Field(description="where the DKIM key is published, as a TXT record")
    dns_value: str | None

    @classmethod
    def of(cls, session: TenantSession, settings: Settings, client_id: UUID | None) -> Self:
        """Of a client, or of the agency."""
        sender = sender_of(session, client_id)
        used, _ = address_for(session, client_id, settings=settings, name=Address.parse(settings.mail_from).name)
        key = key_of(sender, settings) if sender else None
        return cls(
            email=sender.email if sender else used.email,
            name=sender.name if sender else used.name,
            reply_to=sender.reply_to if sender else None,
            used=used.email,
            proven_at=sender.proven_at if sender else None,
            dns_name=key.dns_name if key else None,
            dns_value=key.dns_value if key else None,
        )


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
        return SenderRead.of(session, settings_of(request), client_id)

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
        return SenderRead.of(session, settings, client_id)

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
        return SenderRead.of(session, settings, client_id)
