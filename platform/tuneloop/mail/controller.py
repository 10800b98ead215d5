"""HTTP: mail that went out, whom it comes from, and who gets none."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Controller, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from pydantic import BaseModel, ConfigDict, EmailStr, Field

from tuneloop.clients.service import find_client
from tuneloop.identity.principal import Principal
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.crypto import Vault
from tuneloop.kit.mail import Address, new_dkim_key
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.mail.service import attempts_of, blocks, find_mail, lift_block, list_mail, sender_of, set_sender
from tuneloop.tables import AttemptOutcome, BlockReason, MailSender, MailState, Role


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


class AttemptRead(BaseModel):
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
    tries: list[AttemptRead]


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
    email: str
    name: str
    reply_to: str | None
    dkim_domain: str | None
    dkim_selector: str | None
    dns_name: str | None = None
    dns_value: str | None = None


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
        tries = [AttemptRead.model_validate(row) for row in attempts_of(session, mail.id)]
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
        row = sender_of(session, find_client(session, client).id if client else None)
        if row is None:
            address = Address.parse(_settings(request).mail_from)
            return SenderRead(
                email=address.email, name=address.name, reply_to=None, dkim_domain=None, dkim_selector=None
            )
        return _sender(row)

    @put("/sender", role=Role.ADMIN, sync_to_thread=True)
    def change_sender(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[SenderWrite],
    ) -> SenderRead:
        """Say whom mail comes from, and make a DKIM key for its domain if asked."""
        made = new_dkim_key(Address(data.email).domain) if data.new_dkim_key else None
        row = set_sender(
            session,
            principal=principal,
            client_id=find_client(session, data.client).id if data.client else None,
            email=data.email,
            name=data.name,
            reply_to=data.reply_to,
            dkim=made.key if made else None,
            vault=Vault(_settings(request).secret_key.get_secret_value()) if made else None,
        )
        published: dict[str, Any] = {"dns_name": made.dns_name, "dns_value": made.dns_value} if made else {}
        return _sender(row).model_copy(update=published)


def _sender(row: MailSender) -> SenderRead:
    return SenderRead(
        email=row.email,
        name=row.name,
        reply_to=row.reply_to,
        dkim_domain=row.dkim_domain,
        dkim_selector=row.dkim_selector,
    )


def _settings(request: HttpRequest) -> Settings:
    settings = request.app.state.settings
    assert isinstance(settings, Settings)
    return settings
