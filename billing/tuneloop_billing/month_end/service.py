"""The steps of a month's end. Each looks whether it is done, does it, and leaves its mark in one transaction."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.entitlements import allowance, contract_of
from tuneloop.clients.months import Month, TimeSpan, zone_of_agency
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.principal import Principal
from tuneloop.tables import (
    Agency,
    Client,
    Feature,
    MonthClose,
    PaymentProblem,
    PaymentProblemKind,
    Subscription,
    SubscriptionState,
)
from tuneloop_billing.jobs import CloseMonth
from tuneloop_billing.month_end.statement import StatementLines, compose, mark_invoiced
from tuneloop_billing.payment_provider.protocol import InvoiceFacts, PaymentGateway, PaymentRefused, Statement
from tuneloop_billing.problems import Exceptional, raise_problem
from tuneloop_billing.stripe_sync import gateway, keep_invoice, next_read
from tuneloop_billing.usage.metering import meter_month, records_of

_BEFORE, _AFTER = timedelta(hours=14), timedelta(days=3)
_RENEWING = (SubscriptionState.TRIAL, SubscriptionState.ACTIVE, SubscriptionState.PAST_DUE)


class MonthlyReports(Protocol):
    """The reports' side of a month's end. All of it may be asked again."""

    def prepare(self, session: Session, *, client: Client, month: str, until: datetime | None = None) -> UUID: ...

    def link(self, session: Session, *, report_id: UUID) -> str: ...

    def deliver(self, session: Session, *, report_id: UUID) -> bool: ...


class NotYet(Exception):
    """The renewal that carries this month's lines comes at `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"the renewal comes at {until:%Y-%m-%d %H:%M} UTC")
        self.until = until


class Facts(NamedTuple):
    """What the steps need to know, read before any of them. `span` is the whole month, `closed` the part of it that is
    closed now, with what was left over of a month that was closed early."""

    close: MonthClose
    client: Client
    month: Month
    span: TimeSpan
    closed: TimeSpan
    agency: str


def begin(session: Session, *, client: Client, month: Month, early: bool = False) -> MonthClose:
    """The row of a month's end.

    Raises:
        InvalidInput: the month isn't over, and is not to be closed `early`; or it has not begun.
    """
    span, moment = month.span(zone_of_agency(session)), now()
    if span.end > moment and not (early and span.start < moment):
        raise InvalidInput(f"{month} is not over in the agency's time zone; close it afterwards, or say early")
    query = select(MonthClose).where(MonthClose.client_id == client.id, MonthClose.month == str(month))
    close = session.exec(query.with_for_update()).one_or_none()
    if close is None:
        until = moment if span.end > moment else None
        close = MonthClose(client_id=client.id, month=str(month), until=until)
        session.add(close)
        session.flush()
    return close


def end_month(
    session: Session, *, principal: Principal, client: Client, month: Month, early: bool = False
) -> MonthClose:
    """Go on with a month's end: what is done isn't done again. Raises as `begin` does."""
    close = begin(session, client=client, month=month, early=early)
    enqueue(
        session,
        CloseMonth(close_id=close.id),
        agency_id=client.agency_id,
        client_id=client.id,
        dedupe_key=f"billing.close:{close.id}",
    )
    record(session, principal, "month.close", "client", client.id, client_id=client.id, month=str(month))
    return close


def close_month(context: JobContext, close_id: UUID, reports: MonthlyReports) -> None:
    """Do what is left to do of a month's end.

    Raises:
        NotYet: the renewal that the lines go on comes later. Everything before is done.
    """
    facts = _read(context, close_id)
    if facts.close.metered_at is None:
        _step(context, close_id, lambda session, close: _meter(session, close, facts))
    if facts.close.reported_at is None:
        _step(context, close_id, lambda session, close: _report(session, close, facts, reports))
    if facts.close.invoiced_at is None:
        _invoice(context, close_id, facts, reports)
    if facts.close.sent_at is None:
        _step(context, close_id, lambda session, close: _send(session, close, reports))


def _read(context: JobContext, close_id: UUID) -> Facts:
    with context.reading() as session:
        close = session.get_one(MonthClose, close_id)
        client = session.get_one(Client, close.client_id)
        month = Month.parse(close.month)
        agency = session.get_one(Agency, client.agency_id).name
        span = month.span(zone_of_agency(session))
        earlier = select(MonthClose.until).where(
            MonthClose.client_id == client.id, MonthClose.month == str(month.previous)
        )
        closed = TimeSpan(session.exec(earlier).one_or_none() or span.start, close.until or span.end)
        return Facts(close, client, month, span, closed, agency)


def _step(context: JobContext, close_id: UUID, do: Callable[[Session, MonthClose], None]) -> None:
    with context.unit() as session:
        close = _locked(session, close_id)
        do(session, close)
        session.add(close)


def _locked(session: Session, close_id: UUID) -> MonthClose:
    query = select(MonthClose).where(MonthClose.id == close_id).with_for_update()
    return session.exec(query.execution_options(populate_existing=True)).one()


def _meter(session: Session, close: MonthClose, facts: Facts) -> None:
    if close.metered_at is None:
        meter_month(session, facts.client.id, facts.month, until=facts.close.until)
        close.metered_at = now()


def _report(session: Session, close: MonthClose, facts: Facts, reports: MonthlyReports) -> None:
    if close.reported_at is not None:
        return
    suspension = allowance(session, facts.client.id, Feature.REPORT).suspension
    if suspension is None:
        close.report_id = reports.prepare(session, client=facts.client, month=str(facts.month), until=facts.close.until)
    else:
        close.problem, close.sent_at = f"no report: {suspension}", now()
    close.reported_at = now()


def _invoice(context: JobContext, close_id: UUID, facts: Facts, reports: MonthlyReports) -> None:
    """Ask Stripe between transactions; `issue` finds what an earlier try has made already."""
    service = gateway(context)
    with context.reading() as session:
        contract = contract_of(session, facts.client.id)
        subscription = contract.subscription if contract else None
    if service is None or subscription is None:
        _step(context, close_id, _nothing_to_invoice)
        return
    draft = _draft_of(service, subscription, facts) if subscription.stripe_customer is not None else None
    with context.unit() as session:
        close = _locked(session, close_id)
        assert contract is not None
        usage = records_of(session, facts.client.id, facts.month)
        content = compose(session, contract, facts.month, facts.closed, usage)
        link = reports.link(session, report_id=close.report_id) if close.report_id else None
    if draft is None and not content.charged:
        _step(context, close_id, _nothing_to_invoice)
        return
    if subscription.stripe_customer is None:
        raise PaymentRefused(f"{facts.client.name} has no customer at Stripe yet, and its work waits to be invoiced")
    statement = _statement(facts, subscription, contract.plan.currency, content, draft, link)
    number = next_read(context)
    issued = service.issue(statement)
    with context.unit() as session:
        close = _locked(session, close_id)
        keep_invoice(session, issued, number=number)
        mark_invoiced(session, facts.client.id, facts.month, issued.lines)
        _done(session, close, invoice=issued.id)


def note_close_failed(session: Session, close_id: UUID, reason: str) -> None:
    """A month that can't be ended: said at the month, and kept until it is."""
    close = session.get(MonthClose, close_id)
    if close is None:
        return
    client = session.get_one(Client, close.client_id)
    close.problem = reason
    session.add(close)
    kind = PaymentProblemKind.NOT_INVOICED
    to_do = (
        f"settle the cause; every night it is tried again, or at once with 'tuneloop billing close {client.slug} "
        f"{close.month}'"
    )
    summary = f"{client.name}: the end of {close.month} stands still: {reason}"
    raise_problem(session, client.id, Exceptional(kind, f"{kind}:{close.month}", summary, to_do))


def _done(session: Session, close: MonthClose, *, invoice: str | None = None) -> None:
    close.invoice_stripe_id, close.invoiced_at, close.problem = invoice, now(), None
    session.add(close)
    kind = PaymentProblemKind.NOT_INVOICED
    query = select(PaymentProblem).where(
        PaymentProblem.client_id == close.client_id, PaymentProblem.key == f"{kind}:{close.month}"
    )
    for problem in session.exec(query.where(col(PaymentProblem.settled_at).is_(None))):
        problem.settled_at = now()
        session.add(problem)


def _nothing_to_invoice(session: Session, close: MonthClose) -> None:
    if close.invoiced_at is None:
        _done(session, close)


def _draft_of(service: PaymentGateway, subscription: Subscription, facts: Facts) -> str | None:
    """The draft of the renewal at this month's end; None when the month has an invoice of its own.

    Raises:
        NotYet: the renewal is still to come.
    """
    assert subscription.stripe_customer is not None
    for invoice in service.invoices(subscription.stripe_customer):
        if invoice.month == str(facts.month) and invoice.status != "void":
            return invoice.id
        if is_renewal_of(invoice, facts.span) and invoice.status == "draft":
            return invoice.id
        if invoice.issued_at < facts.span.start:
            break
    if subscription.stripe_subscription is not None:
        facts_at_stripe = service.subscription(subscription.stripe_subscription)
        coming = facts_at_stripe.state in _RENEWING and not facts_at_stripe.cancel_at_period_end
        if coming and now() < facts_at_stripe.period_end < facts.span.end + _AFTER:
            raise NotYet(facts_at_stripe.period_end + timedelta(minutes=2))
    return None


def is_renewal_of(invoice: InvoiceFacts, span: TimeSpan) -> bool:
    return invoice.renewal and span.end - _BEFORE <= invoice.period_end < span.end + _AFTER


def awaited_month(session: Session, invoice: InvoiceFacts, client_id: UUID, zone: ZoneInfo) -> Month | None:
    """The month whose end has lines for this renewal; None when no month's end would take it up."""
    local = Month.of(invoice.period_end + _BEFORE, zone)
    for month in (local.previous, local):
        if not is_renewal_of(invoice, month.span(zone)):
            continue
        query = select(MonthClose).where(MonthClose.client_id == client_id, MonthClose.month == str(month))
        close = session.exec(query).one_or_none()
        if close is None or close.invoiced_at is None:
            return month
    return None


def _statement(
    facts: Facts,
    subscription: Subscription,
    currency: str,
    content: StatementLines,
    draft: str | None,
    link: str | None,
) -> Statement:
    description = f"Maintenance by {facts.agency}, with the work of {facts.month}."
    return Statement(
        client_id=facts.client.id,
        month=str(facts.month),
        customer=subscription.stripe_customer or "",
        currency=currency,
        lines=[*content.charged, *content.included][:200],
        description=description[:1500],
        footer=f"Report of {facts.month}: {link}" if link else f"There is no report of {facts.month}.",
        draft=draft,
        subscription=subscription.stripe_subscription,
    )


def _send(session: Session, close: MonthClose, reports: MonthlyReports) -> None:
    """A report that waits for approval is sent by its approval; the daily round sees that it was."""
    if close.sent_at is not None:
        return
    if close.report_id is None or reports.deliver(session, report_id=close.report_id):
        close.sent_at = now()


def unfinished(session: Session) -> list[MonthClose]:
    query = select(MonthClose).where((col(MonthClose.invoiced_at).is_(None)) | (col(MonthClose.sent_at).is_(None)))
    return list(session.exec(query.order_by(col(MonthClose.month))))
