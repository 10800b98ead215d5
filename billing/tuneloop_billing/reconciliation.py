"""An agency's daily round: compare with Stripe, say what differs, and see to the months that have ended."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.identity.secrets import token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.tables import (
    BillingAccount,
    BillingMode,
    Client,
    Invoice,
    PaymentProblemKind,
    ReconcileFinding,
    Subscription,
    SubscriptionState,
)
from tuneloop_billing.accounts.service import is_webhook_of, new_webhook_token, webhook_address
from tuneloop_billing.jobs import CloseMonth, SyncSubscription
from tuneloop_billing.month_end.service import begin, unfinished
from tuneloop_billing.payment_provider.protocol import (
    GoneAtProvider,
    InvoiceFacts,
    PaymentGateway,
    PaymentRefused,
    ProviderAway,
    SubscriptionFacts,
)
from tuneloop_billing.problems import keep_problems
from tuneloop_billing.stripe_changes import GONE, note_refusal
from tuneloop_billing.stripe_sync import DELETED, gateway, keep_invoice, next_read, sync_catalogue, take_over

_COMPARED = ("state", "plan_id", "cancel_at_period_end", "period_end", "trial_ends_at")


class StripeDifference(NamedTuple):
    key: str
    summary: str
    here: dict[str, Any]
    there: dict[str, Any]


def begin_months(session: Session) -> list[UUID]:
    """Begin the end of last month for every client that had a plan in it, and go on with those that are unfinished."""
    zone = zone_of_agency(session)
    month = Month.of(now(), zone).previous
    span = month.span(zone)
    rows = session.exec(select(Client, Subscription).join(Subscription, col(Subscription.client_id) == Client.id))
    for client, subscription in rows.all():
        ended = subscription.state is SubscriptionState.CANCELLED and subscription.state_since < span.start
        if subscription.started_at < span.end and not ended:
            begin(session, client=client, month=month)
    left = unfinished(session)
    for close in left:
        enqueue(
            session,
            CloseMonth(close_id=close.id),
            agency_id=close.agency_id,
            client_id=close.client_id,
            dedupe_key=f"billing.close:{close.id}",
        )
    return [close.id for close in left]


def reconcile(context: JobContext) -> list[StripeDifference]:
    """Compare every subscription and its invoices with Stripe. What differs is said, and then taken over.

    A client whose objects can't be read becomes a problem of its own, and the others are compared all the same. A
    change made here that Stripe refused is sent again: the cause may have gone.

    Raises:
        ProviderAway: of the network, once all others are done; the round is worth another try.
    """
    service = gateway(context)
    if service is None:
        return []
    with context.reading() as session:
        known = session.exec(select(Subscription).where(col(Subscription.stripe_customer).is_not(None))).all()
        unsent = [each for each in session.exec(select(Subscription)) if each.sent_revision < each.revision]
    differences = [
        StripeDifference(f"plan:{each.plan}:{each.what[:80]}", f"Plan {each.plan}: {each.what}", {}, {})
        for each in sync_catalogue(context)
    ]
    differences += _look_after_endpoint(context, service)
    trouble: Exception | None = None
    for subscription in known:
        try:
            differences += _compare_one(context, service, subscription)
        except ProviderAway as error:
            trouble = error
    with context.unit() as session:
        for each in unsent:
            differences.append(
                StripeDifference(
                    f"subscription:{each.id}:unsent",
                    f"A change of a plan has not reached Stripe: {each.problem or 'it is on its way'}",
                    {"revision": each.revision},
                    {"revision": each.sent_revision},
                )
            )
            enqueue(
                session,
                SyncSubscription(subscription_id=each.id),
                agency_id=each.agency_id,
                client_id=each.client_id,
                dedupe_key=f"billing.sync:{each.id}:{each.revision}",
            )
        if trouble is None:
            _keep(session, differences)
    if trouble is not None:
        raise trouble
    return differences


def _look_after_endpoint(context: JobContext, service: PaymentGateway) -> list[StripeDifference]:
    """An endpoint that is made anew signs with another secret."""
    with context.reading() as session:
        account = session.exec(select(BillingAccount)).one()
    if account.mode not in (BillingMode.OWN_KEY, BillingMode.STAND_IN):
        return []
    token = new_webhook_token()
    try:
        looked = service.keep_listening(
            lambda url: is_webhook_of(context.settings, account, url), webhook_address(context.settings, token)
        )
    except PaymentRefused as refusal:
        return [StripeDifference("endpoint:refused", f"Webhooks: {refusal.message}", {}, {})]
    if looked.made is not None:
        with context.unit() as session:
            row = session.get_one(BillingAccount, account.id)
            vault = Vault(context.settings.secret_key.get_secret_value())
            row.webhook_token = token_digest(token)
            row.sealed_webhook_secret = vault.seal(looked.made.secret)
            session.add(row)
    return [StripeDifference(f"endpoint:{what[:80]}", what[0].upper() + what[1:], {}, {}) for what in looked.mended]


def _compare_one(context: JobContext, service: PaymentGateway, subscription: Subscription) -> list[StripeDifference]:
    number = next_read(context)
    client_id, customer = subscription.client_id, subscription.stripe_customer
    assert customer is not None
    refused: list[PaymentRefused] = []
    facts: SubscriptionFacts | None = None
    invoices: list[InvoiceFacts] | None = None
    try:
        if subscription.stripe_subscription is not None:
            facts = service.subscription(subscription.stripe_subscription)
    except PaymentRefused as refusal:
        refused.append(refusal)
    try:
        service.check_customer(customer)
        invoices = list(service.invoices(customer, payments=True))
    except PaymentRefused as refusal:
        refused.append(refusal)
    gone = _gone_invoices(context, service, client_id, invoices) if invoices is not None else []
    with context.unit() as session:
        differences = _compare(session, subscription.id, facts, invoices, gone, number)
        others = [each for each in refused if not isinstance(each, GoneAtProvider)]
        if not others:
            keep_problems(session, client_id, [PaymentProblemKind.NOT_READ])
        if not refused:
            keep_problems(session, client_id, GONE)
        for each in refused:
            note_refusal(session, client_id, PaymentProblemKind.NOT_READ, each, to_do=_LOOK)
    return differences


_LOOK = "look at the client in Stripe's dashboard; every night it is tried again"


def _gone_invoices(
    context: JobContext, service: PaymentGateway, client_id: UUID, listed: list[InvoiceFacts]
) -> list[str]:
    """Invoices that are kept here and that Stripe has no more, such as drafts that were deleted.

    Those of an earlier customer are not listed, but there.
    """
    with context.reading() as session:
        query = select(Invoice.stripe_id).where(Invoice.client_id == client_id, Invoice.status != DELETED)
        missing = set(session.exec(query)) - {each.id for each in listed}
    gone = []
    for name in sorted(missing):
        try:
            listed.append(service.invoice(name))
        except PaymentRefused:
            gone.append(name)
    return gone


def _compare(
    session: Session,
    subscription_id: UUID,
    facts: SubscriptionFacts | None,
    invoices: list[InvoiceFacts] | None,
    gone: list[str],
    number: int,
) -> list[StripeDifference]:
    differences: list[StripeDifference] = []
    subscription = session.get_one(Subscription, subscription_id)
    client = session.get_one(Client, subscription.client_id)
    if facts is not None and subscription.sent_revision >= subscription.revision:
        here = {name: getattr(subscription, name) for name in _COMPARED}
        there = {name: getattr(facts, name) for name in _COMPARED}
        if here != there and number > subscription.read:
            names = ", ".join(name for name in _COMPARED if here[name] != there[name])
            differences.append(
                StripeDifference(
                    f"subscription:{facts.id}", f"{client.name}: {names} differ at Stripe", _plain(here), _plain(there)
                )
            )
        take_over(session, subscription, facts, number=number)
    kept = {row.stripe_id: row for row in session.exec(select(Invoice).where(Invoice.client_id == client.id))}
    for invoice in [each for each in invoices or () if each.client_id == client.id]:
        row = kept.get(invoice.id)
        here_ = {"status": row.status, "amount_paid": row.amount_paid, "total": row.total} if row else {}
        there_ = {"status": invoice.status, "amount_paid": invoice.amount_paid, "total": invoice.total}
        if here_ != there_:
            what = "differs" if row else "was not known here"
            differences.append(
                StripeDifference(
                    f"invoice:{invoice.id}", f"{client.name}: invoice {invoice.number} {what}", here_, there_
                )
            )
        keep_invoice(session, invoice, number=number)
    for name in gone:
        kept[name].status, kept[name].read = DELETED, number
        session.add(kept[name])
        differences.append(
            StripeDifference(f"invoice:{name}", f"{client.name}: an invoice is no longer at Stripe", {"id": name}, {})
        )
    return differences


def _keep(session: Session, differences: list[StripeDifference]) -> None:
    """New differences become findings; findings that no longer differ are settled."""
    open_ = {
        row.key: row for row in session.exec(select(ReconcileFinding).where(col(ReconcileFinding.settled_at).is_(None)))
    }
    keys = {each.key for each in differences}
    for key, row in open_.items():
        if key not in keys:
            row.settled_at = now()
            session.add(row)
    for each in differences:
        if each.key not in open_:
            session.add(ReconcileFinding(key=each.key, summary=each.summary, here=each.here, there=each.there))


def _plain(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
