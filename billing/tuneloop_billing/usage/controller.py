"""HTTP: work, usage, invoices and month ends of a client."""

from collections.abc import Sequence
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from sqlmodel import col, select

from tuneloop.audit.service import record
from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.clients.service import find_client
from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Invoice, Role
from tuneloop_billing.accounts.service import find_account
from tuneloop_billing.economics.revenue import revenue_of, reversals_of
from tuneloop_billing.month_end.service import end_month
from tuneloop_billing.payment_provider.stripe_gateway import gateway_of
from tuneloop_billing.usage.metering import count, records_of
from tuneloop_billing.usage.schemas import (
    Beat,
    CloseRead,
    CreditOrder,
    InvoiceRead,
    ReversalRead,
    UsageRead,
    WorkCreate,
    WorkPatch,
    WorkRead,
)
from tuneloop_billing.usage.work_log import add_work, beat, change_work, remove_work, work_of


def invoices_read(session: TenantSession, invoices: Sequence[Invoice]) -> list[InvoiceRead]:
    """With what went back of each, and what is left of it."""
    reversals = reversals_of(session, [each.id for each in invoices])
    found = []
    for each in invoices:
        back = reversals.get(each.id, [])
        more = {
            "reversals": [ReversalRead.model_validate(one) for one in back],
            "net": revenue_of(each, back).net,
        }
        found.append(InvoiceRead.model_validate(each).model_copy(update=more))
    return found


class WorkController(Controller):
    path = "/api/v1/clients/{client:str}/work"
    tags = ("billing",)

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def index(
        self, session: NamedDependency[TenantSession], client: FromPath[str], month: FromQuery[str | None] = None
    ) -> list[WorkRead]:
        """Time spent for a client in a month; this one when left out."""
        row = find_client(session, client)
        return [WorkRead.model_validate(entry) for entry in work_of(session, row, _month(session, month))]

    @post(role=Role.OPERATOR, sync_to_thread=True)
    def add(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        data: JSONBody[WorkCreate],
    ) -> WorkRead:
        """Write time down by hand."""
        return WorkRead.model_validate(add_work(session, principal=principal, client=client, **dict(data)))

    @post("/beat", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def beat_timer(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        data: JSONBody[Beat],
    ) -> WorkRead:
        """Say every half minute that somebody works for the client; 90 seconds of silence end the entry."""
        return WorkRead.model_validate(beat(session, principal=principal, client=client, activity=data.activity))


class WorkEntryController(Controller):
    path = "/api/v1/work/{work_id:uuid}"
    tags = ("billing",)

    @patch(role=Role.OPERATOR, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        work_id: FromPath[UUID],
        data: JSONBody[WorkPatch],
    ) -> WorkRead:
        """Correct an entry; the audit log keeps what it said."""
        return WorkRead.model_validate(change_work(session, principal=principal, work_id=work_id, **dict(data)))

    @delete(role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def remove(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal], work_id: FromPath[UUID]
    ) -> WorkRead:
        """Take an entry out of the count."""
        return WorkRead.model_validate(remove_work(session, principal=principal, work_id=work_id))


class UsageController(Controller):
    path = "/api/v1/clients/{client:str}"
    tags = ("billing",)

    @get("/usage", role=Role.VIEWER, sync_to_thread=True)
    def usage(
        self, session: NamedDependency[TenantSession], client: FromPath[str], month: FromQuery[str | None] = None
    ) -> list[UsageRead]:
        """What the client used in a month: as it was counted, or up to now."""
        row, wanted = find_client(session, client), _month(session, month)
        if kept := records_of(session, row.id, wanted):
            return [
                UsageRead(month=each.month, unit=each.unit, quantity=each.quantity, late=each.late, final=True)
                for each in kept.values()
            ]
        counted = count(session, row.id, wanted.span(zone_of_agency(session)))
        return [
            UsageRead(month=str(wanted), unit=unit, quantity=quantity, late=0, final=False)
            for unit, quantity in counted.items()
        ]

    @get("/invoices", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def invoices(self, session: NamedDependency[TenantSession], client: FromPath[str]) -> list[InvoiceRead]:
        """The client's invoices, newest first."""
        row = find_client(session, client)
        query = select(Invoice).where(Invoice.client_id == row.id).order_by(col(Invoice.issued_at).desc())
        return invoices_read(session, session.exec(query).all())

    @post("/months/{month:str}/close", role=Role.ADMIN, status_code=202, sync_to_thread=True)
    def close(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        month: FromPath[str],
        early: FromQuery[bool] = False,
    ) -> CloseRead:
        """Go on with the end of a month: count, report, invoice, send. What is done isn't done again.

        A month that runs can be closed early; what happens after that goes with the next one.
        """
        row = find_client(session, client)
        found = end_month(session, principal=principal, client=row, month=Month.parse(month), early=early)
        return CloseRead.model_validate(found).model_copy(update={"client": row.slug})


class CreditController(Controller):
    path = "/api/v1/invoices/{invoice:str}"
    tags = ("billing",)

    @post("/credit", role=Role.ADMIN, sync_to_thread=True)
    def credit(
        self,
        request: HttpRequest,
        principal: NamedDependency[Principal],
        invoice: FromPath[str],
        data: JSONBody[CreditOrder],
    ) -> InvoiceRead:
        """Credit a part of an invoice: an open one is lowered, a paid one goes to the client's balance."""
        database = database_of(request)
        with database.unit(principal.agency_id, client_id=principal.client_id) as session:
            row = session.exec(select(Invoice).where(Invoice.stripe_id == invoice)).one_or_none()
            if row is None:
                raise NotFound("invoice", invoice)
            account = find_account(session)
        service = gateway_of(settings_of(request), account)
        if service is None:
            raise Conflict("this agency isn't connected to Stripe; run 'tuneloop billing connect'")
        key = f"{row.id}:credit:{row.credited}:{data.amount}"
        service.credit(invoice, amount=data.amount, reason=data.reason, key=key)
        facts = service.invoice(invoice)
        with database.unit(principal.agency_id, client_id=principal.client_id) as session:
            row = session.exec(select(Invoice).where(Invoice.stripe_id == invoice).with_for_update()).one()
            row.status, row.credited, row.amount_paid = facts.status, facts.credited, facts.amount_paid
            row.amount_remaining, row.paid_at = facts.amount_remaining, facts.paid_at
            session.add(row)
            details = {"amount": data.amount, "reason": data.reason, "currency": row.currency}
            record(session, principal, "invoice.credit", "invoice", invoice, client_id=row.client_id, **details)
        return invoices_read(session, [row])[0]


def _month(session: TenantSession, text: str | None) -> Month:
    return Month.parse(text) if text else Month.of(now(), zone_of_agency(session))
