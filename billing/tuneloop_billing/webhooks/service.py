"""Store a webhook once; later look at Stripe again at what it was about."""

from http import HTTPStatus
from typing import ClassVar
from uuid import UUID

import stripe
from prometheus_client import Counter
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from tuneloop.clients.months import zone_of_agency
from tuneloop.identity.secrets import token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotFound, TuneloopError
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.settings import Settings
from tuneloop.tables import BillingAccount, BillingMode, Client, StripeEvent, Subscription
from tuneloop_billing.jobs import HandleStripeEvent
from tuneloop_billing.month_end.service import awaited_month
from tuneloop_billing.payment_provider.protocol import GoneAtProvider, InvoiceFacts, PaymentGateway, PaymentRefused
from tuneloop_billing.stripe_changes import note_gone
from tuneloop_billing.stripe_sync import (
    NOT_OURS,
    forget_invoice,
    gateway,
    keep_invoice,
    next_read,
    owner_of,
    payer_of,
    refresh_subscription,
)

REFUSED = Counter("tuneloop_stripe_webhooks_refused", "Webhooks with a bad signature or body")
TOLERANCE_SECONDS = 300
_PAYMENT = ("charge.", "refund.")


class BadSignature(TuneloopError):
    status = HTTPStatus.BAD_REQUEST
    code: ClassVar[str] = "bad_signature"
    transient = False


FOREIGN = Counter("tuneloop_stripe_events_foreign", "Events about what is not ours in an agency's Stripe account")


class EventObject(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str = ""
    invoice: str | None = None
    payment_intent: str | None = None


class EventData(BaseModel):
    model_config = ConfigDict(extra="ignore")

    object: EventObject


class Envelope(BaseModel):
    """The part of an event that we read; the rest is asked from Stripe."""

    model_config = ConfigDict(extra="ignore")

    id: str
    type: str
    livemode: bool = False
    account: str | None = None
    data: EventData


def receive(database: Database, settings: Settings, *, token: str, body: bytes, header: str) -> bool:
    """Take a webhook in. Returns whether it is a new one.

    Raises:
        NotFound: nobody has this address. BadSignature: wrongly signed, or no event, or of the other mode.
    """
    query = select(BillingAccount).where(BillingAccount.webhook_token == token_digest(token))
    with database.all_agencies() as session:
        account = session.exec(query).one_or_none()
    if account is None or account.sealed_webhook_secret is None:
        raise NotFound("webhook endpoint", "of this address")
    vault = Vault(settings.secret_key.get_secret_value())
    live = vault.open(account.sealed_key or "").startswith(("sk_live_", "rk_live_"))
    envelope = _read(body, header, vault.open(account.sealed_webhook_secret), live=live)
    return _store(database, account.agency_id, envelope, body)


def receive_connected(database: Database, settings: Settings, *, body: bytes, header: str) -> bool:
    """Take a webhook in that the platform gets about an account connected to it."""
    live = settings.stripe_platform_key.get_secret_value().startswith(("sk_live_", "rk_live_"))
    envelope = _read(body, header, settings.stripe_webhook_secret.get_secret_value(), live=live)
    with database.all_agencies() as session:
        account = session.exec(
            select(BillingAccount).where(
                BillingAccount.mode == BillingMode.CONNECT, BillingAccount.stripe_account == envelope.account
            )
        ).one_or_none()
    return account is not None and _store(database, account.agency_id, envelope, body)


def _read(body: bytes, header: str, secret: str, *, live: bool) -> Envelope:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
        envelope = Envelope.model_validate_json(body)
    except stripe.SignatureVerificationError as error:
        REFUSED.inc()
        raise BadSignature(f"{error.user_message}; check the endpoint's secret and this machine's clock") from error
    except (UnicodeDecodeError, ValidationError) as error:
        REFUSED.inc()
        raise BadSignature("the body is not a Stripe event") from error
    if envelope.livemode is not live:
        REFUSED.inc()
        raise BadSignature("an event of test mode at a live endpoint, or the other way round")
    return envelope


def _store(database: Database, agency_id: UUID, envelope: Envelope, body: bytes) -> bool:
    """The event and the job that acts on it, in one transaction."""
    object_id = _subject_of(envelope)
    with database.unit(agency_id) as session:
        row = StripeEvent(
            agency_id=agency_id, stripe_id=envelope.id, kind=envelope.type, object_id=object_id, body=body.decode()
        )
        values = {name: getattr(row, name) for name in StripeEvent.model_fields}
        statement = insert(StripeEvent).values(**values).on_conflict_do_nothing().returning(col(StripeEvent.id))
        event_id = session.execute(statement).scalar_one_or_none()
        if event_id is None:
            return False
        enqueue(session, HandleStripeEvent(event_id=event_id), agency_id=agency_id)
    return True


def _subject_of(envelope: Envelope) -> str:
    """What to look at: credit notes are about their invoice, refunds and disputes about their payment."""
    subject = envelope.data.object
    if envelope.type.startswith("credit_note."):
        return subject.invoice or subject.id
    if envelope.type.startswith(_PAYMENT):
        return subject.payment_intent or subject.id
    return subject.id


def handle(context: JobContext, event_id: UUID) -> None:
    """Act on an event. The event says what to look at; how that is, Stripe is asked now.

    The answer holds for all events about the same object that have come before, so these are done with it: an invoice's
    life at the end of a month is five events within a second.
    """
    with context.reading() as session:
        event = session.get(StripeEvent, event_id)
        if event is None or event.handled_at is not None:
            return
        waiting = select(StripeEvent.id).where(
            StripeEvent.object_id == event.object_id, col(StripeEvent.handled_at).is_(None)
        )
        answered = list(session.exec(waiting))
    service = gateway(context)
    try:
        outcome = "not connected" if service is None else _act(context, service, event)
    except PaymentRefused as refusal:
        outcome = f"refused: {refusal.message}"[:500]
    if outcome == NOT_OURS:
        FOREIGN.inc()
    with context.unit() as session:
        for row in session.exec(select(StripeEvent).where(col(StripeEvent.id).in_(answered))):
            row.handled_at, row.outcome = now(), outcome
            session.add(row)


def _act(context: JobContext, service: PaymentGateway, event: StripeEvent) -> str:
    kind, subject = event.kind, event.object_id
    if kind == "customer.deleted":
        return _lose_customer(context, subject)
    if kind.startswith("customer.subscription."):
        return refresh_subscription(context, service, subject)
    if kind.startswith(("invoice.", "credit_note.")):
        return _refresh_both(context, service, subject)
    if kind.startswith(_PAYMENT):
        invoice = service.invoice_of_payment(subject)
        return _refresh_both(context, service, invoice) if invoice is not None else NOT_OURS
    if kind == "checkout.session.completed":
        return _take_card(context, service, subject)
    return "ignored"


def _lose_customer(context: JobContext, customer: str) -> str:
    with context.unit() as session:
        query = select(Subscription.client_id).where(Subscription.stripe_customer == customer)
        client_id = session.exec(query).one_or_none()
        if client_id is None:
            return NOT_OURS
        note_gone(session, client_id, GoneAtProvider("customer", customer))
    return "customer gone"


def _take_card(context: JobContext, service: PaymentGateway, session_id: str) -> str:
    checkout = service.checkout(session_id)
    with context.reading() as session:
        owner = owner_of(session, checkout)
        if owner is None:
            return NOT_OURS
        payer = payer_of(session, session.get_one(Client, owner.client_id))
    if checkout.card is None:
        return "no card was left"
    service.use_card(payer, checkout.card, subscription=owner.stripe_subscription)
    return "card taken"


def _refresh_both(context: JobContext, service: PaymentGateway, invoice_id: str) -> str:
    """An invoice's fate decides its subscription's state."""
    number = next_read(context)
    try:
        facts = service.invoice(invoice_id)
    except GoneAtProvider:
        with context.unit() as session:
            return forget_invoice(session, invoice_id, number=number)
    if facts.renewal and facts.status == "draft" and facts.advances and _is_awaited(context, facts):
        service.hold(invoice_id)
    with context.unit() as session:
        outcome = keep_invoice(session, facts, number=number)
    if facts.subscription is not None:
        refresh_subscription(context, service, facts.subscription)
    return outcome


def _is_awaited(context: JobContext, facts: InvoiceFacts) -> bool:
    """A month's end will put its lines on this draft and let it go."""
    with context.reading() as session:
        owner = owner_of(session, facts)
        if owner is None:
            return False
        return awaited_month(session, facts, owner.client_id, zone_of_agency(session)) is not None


def events_of(session: Session, *, limit: int) -> list[StripeEvent]:
    """Newest first."""
    return list(session.exec(select(StripeEvent).order_by(col(StripeEvent.received_at).desc()).limit(limit)))
