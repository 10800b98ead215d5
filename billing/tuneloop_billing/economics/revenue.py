"""What of a client's invoices is revenue: without tax, credit notes, refunds, lost disputes and what was given up."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.clients.months import TimeSpan
from tuneloop.tables import Invoice, InvoiceReversal, ReversalKind

ISSUED = ("open", "paid", "uncollectible")
_HARMLESS = ("won", "lost", "prevented", "warning_needs_response", "warning_under_review", "warning_closed")


@dataclass(frozen=True)
class Revenue:
    """Minor units. `invoiced` is with tax, the other parts but `tax` without; `at_risk` is disputed and not decided,
    and still in `net`.
    """

    invoiced: int = 0
    tax: int = 0
    credited: int = 0
    refunded: int = 0
    lost: int = 0
    given_up: int = 0
    at_risk: int = 0

    @property
    def net(self) -> int:
        return self.invoiced - self.tax - self.credited - self.refunded - self.lost - self.given_up

    def __add__(self, other: "Revenue") -> "Revenue":
        return Revenue(
            self.invoiced + other.invoiced,
            self.tax + other.tax,
            self.credited + other.credited,
            self.refunded + other.refunded,
            self.lost + other.lost,
            self.given_up + other.given_up,
            self.at_risk + other.at_risk,
        )


def revenue_of(invoice: Invoice, reversals: Iterable[InvoiceReversal]) -> Revenue:
    """Of one invoice. Money that goes back takes its share of the tax along; a refund that a credit note carries
    counts as credited.
    """
    if invoice.status not in ISSUED:
        return Revenue()
    untaxed = Fraction(invoice.total - invoice.tax, invoice.total) if invoice.total else Fraction(1)
    sums = {"refunded": 0, "lost": 0, "at_risk": 0}
    for each in reversals:
        if each.kind is ReversalKind.REFUND:
            sums["refunded"] += round((each.amount - each.credited) * untaxed)
        elif each.status == "lost":
            sums["lost"] += round(each.amount * untaxed)
        elif each.status not in _HARMLESS:
            sums["at_risk"] += round(each.amount * untaxed)
    return Revenue(
        invoiced=invoice.total,
        tax=invoice.tax,
        credited=invoice.credited - invoice.credited_tax,
        given_up=round(invoice.amount_remaining * untaxed) if invoice.status == "uncollectible" else 0,
        **sums,
    )


def revenue(session: Session, client_id: UUID, span: TimeSpan, currency: str) -> Revenue:
    """Of the invoices that were issued in the span, whenever their money went back."""
    query = select(Invoice).where(Invoice.client_id == client_id, Invoice.currency == currency)
    invoices = session.exec(
        query.where(col(Invoice.status).in_(ISSUED), Invoice.issued_at >= span.start, Invoice.issued_at < span.end)
    ).all()
    reversals = reversals_of(session, [each.id for each in invoices])
    return sum((revenue_of(each, reversals.get(each.id, ())) for each in invoices), Revenue())


def reversals_of(session: Session, invoice_ids: Iterable[UUID]) -> dict[UUID, list[InvoiceReversal]]:
    """By invoice, oldest first."""
    found: dict[UUID, list[InvoiceReversal]] = {}
    query = select(InvoiceReversal).where(col(InvoiceReversal.invoice_id).in_(list(invoice_ids)))
    for each in session.exec(query.order_by(col(InvoiceReversal.at))):
        found.setdefault(each.invoice_id, []).append(each)
    return found
