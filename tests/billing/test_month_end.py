"""The end of a month: every unit in one month, every step once, whatever dies in between."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlmodel import Session, col, select

from tests.billing.office import Office
from tests.billing.three import MONTH, RENEWAL, SPAN, answer, gpu_job, model_of, month_invoices
from tuneloop.clients.months import Month, TimeSpan
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import (
    Activity,
    Client,
    MonthClose,
    ReconcileFinding,
    ServiceUse,
    Subscription,
    SubscriptionState,
    Unit,
    UsageRecord,
    UseState,
    WorkEntry,
)
from tuneloop_billing.daily_round import next_round
from tuneloop_billing.month_end.service import Facts, NotYet, _draft_of, begin, close_month
from tuneloop_billing.payment_provider.protocol import Line, Statement
from tuneloop_billing.payment_provider.stripe_gateway import gateway_of
from tuneloop_billing.reconciliation import begin_months, reconcile
from tuneloop_billing.usage.metering import count, meter_month

UTC_ZONE = ZoneInfo("UTC")


class Killed(BaseException):
    """The worker is gone."""


@dataclass
class MortalContext(JobContext):
    """Its worker dies at its `lives`-th transaction: before it, or just after its commit."""

    lives: int = 10_000
    after_commit: bool = False
    used: int = 0

    @contextmanager
    def unit(self) -> Iterator[TenantSession]:
        with self._perhaps_the_last(super().unit()) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[TenantSession]:
        with self._perhaps_the_last(super().reading()) as session:
            yield session

    @contextmanager
    def _perhaps_the_last(self, transaction: AbstractContextManager[TenantSession]) -> Iterator[TenantSession]:
        self.used += 1
        if self.used >= self.lives and not self.after_commit:
            raise Killed
        with transaction as session:
            yield session
        if self.used >= self.lives:
            raise Killed


@dataclass
class Reports:
    """The reports' side; counts what really went out."""

    prepared: dict[tuple[UUID, str], UUID] = field(default_factory=dict)
    sent: list[UUID] = field(default_factory=list)

    def prepare(self, session: Session, *, client: Client, month: str, until: datetime | None = None) -> UUID:
        return self.prepared.setdefault((client.id, month), new_id())

    def link(self, session: Session, *, report_id: UUID) -> str:
        return f"https://reports.example/r/{report_id}"

    def deliver(self, session: Session, *, report_id: UUID) -> bool:
        if report_id not in self.sent:
            self.sent.append(report_id)
        return True


def close_of(north: Office, client: Client) -> MonthClose:
    with north.database.unit(north.agency.id) as session:
        return begin(session, client=client, month=MONTH)


@pytest.mark.slow
def test_a_month_ends_for_clients_on_all_plans_though_its_workers_die(
    north: Office, agency_of_three: dict[str, Client]
) -> None:
    models = {tier: model_of(north, client) for tier, client in agency_of_three.items()}
    with north.database.unit(north.agency.id) as session:
        for model in models.values():
            answer(session, model, SPAN.start)
            answer(session, model, SPAN.end - timedelta(microseconds=1))
            answer(session, model, SPAN.end)
        session.add(gpu_job(agency_of_three["basic"], SPAN.start + timedelta(days=3), 90 * 60))
    ordered = {"feature": "ab_test", "agreed_price": 30_000}
    assert north.http.post("/api/v1/clients/client-premium/extras", json=ordered).status_code == 201
    with north.database.unit(north.agency.id) as session:
        for use in session.exec(select(ServiceUse)):
            use.at, use.state, use.subject = SPAN.start + timedelta(days=4), UseState.USED, "ab_test:1"

    north.shop.lever("clock", {"to": int(RENEWAL.timestamp()) + 60})
    north.settle()
    north.shop.advance(0.5)
    drafts = [each for each in north.shop.stripe.v1.invoices.list({"limit": 100}).data if each.status == "draft"]
    assert len(drafts) == 3, "renewals wait for the month's lines"

    reports = Reports()
    deaths = 0
    patterns = {"basic": (False, 2), "standard": (True, 1), "premium": (False, 1)}
    for tier, client in agency_of_three.items():
        close = close_of(north, client)
        after_commit, lives = patterns[tier]
        for _ in range(40):
            held = north.at_work().held
            mortal = MortalContext(
                north.database,
                north.storage,
                north.settings,
                held,
                threading.Event(),
                lives=lives,
                after_commit=after_commit,
            )
            try:
                close_month(mortal, close.id, reports)
                break
            except Killed:
                deaths += 1
                lives += 0 if after_commit and close_is_moving(north, close) else 1
        close_month(north.at_work(), close.id, reports)
    assert deaths > 15

    totals = {"basic": 75_000 + 30 * 50, "standard": 200_000, "premium": 400_000 + 30_000}
    for tier, client in agency_of_three.items():
        (invoice,) = month_invoices(north, client)
        texts = [line.description for line in invoice.lines.data]
        assert len(texts) == len(set(texts))
        assert invoice.total == totals[tier], texts
        assert "Done: 2 answers served and watched" in texts
        assert f"Report of {MONTH}: https://reports.example/r/" in invoice.footer
        assert invoice.status == ("paid" if tier == "premium" else "open")
        if invoice.status == "open":
            assert httpx.post(invoice.hosted_invoice_url, data={"number": "4242424242424242"}).status_code == 303
    north.settle()
    assert len(reports.prepared) == len(reports.sent) == 3
    with north.database.unit(north.agency.id) as session:
        assert len(session.exec(select(UsageRecord)).all()) == 3 * len(Unit)
        closes = session.exec(select(MonthClose)).all()
        assert all(each.metered_at and each.reported_at and each.invoiced_at and each.sent_at for each in closes)
        states = session.exec(select(Subscription.state)).all()
    assert set(states) == {SubscriptionState.ACTIVE}
    paid = [each for each in north.invoices() if each.month == str(MONTH)]
    assert [each.status for each in paid] == ["paid"] * 3
    (extra,) = north.http.get("/api/v1/clients/client-premium/extras").json()
    assert (extra["state"], extra["month"]) == ("used", str(MONTH))
    assert north.failed() == []


def close_is_moving(north: Office, close: MonthClose) -> bool:
    with north.database.unit(north.agency.id) as session:
        found = session.get_one(MonthClose, close.id)
        moved = found.model_dump() != close.model_dump()
        for name, value in found.model_dump().items():
            setattr(close, name, value)
        return moved


def test_an_invoice_half_made_is_finished_and_not_made_again(north: Office, agency_of_three: dict[str, Client]) -> None:
    class Fragile(list[Line]):
        """Its reader dies at the second line."""

        def __iter__(self) -> Iterator[Line]:
            yield self[0]
            raise Killed

    client = agency_of_three["basic"]
    with north.database.unit(north.agency.id) as session:
        customer = session.exec(select(Subscription.stripe_customer).where(Subscription.client_id == client.id)).one()
    lines = [Line(f"Extra {n}", 100 * n, f"extra:{n}") for n in (1, 2, 3)]
    service = gateway_of(north.settings, north.account())
    assert service is not None

    def statement(of: list[Line]) -> Statement:
        return Statement(client.id, str(MONTH), customer or "", "usd", of, "Work", "Report", None, None)

    with pytest.raises(Killed):
        service.issue(statement(Fragile(lines)))
    issued = service.issue(statement(lines))
    assert service.issue(statement(lines)).id == issued.id
    assert sorted(line.reference or "" for line in issued.lines) == ["extra:1", "extra:2", "extra:3"]
    assert (issued.total, issued.status, len(month_invoices(north, client))) == (600, "open", 1)


def test_the_lines_wait_for_a_renewal_that_is_still_to_come(north: Office, agency_of_three: dict[str, Client]) -> None:
    client = agency_of_three["basic"]
    close = close_of(north, client)
    north.shop.account.ahead = 0
    price, customer = north.shop.price(100), north.shop.customer()
    soon = int((datetime.now(UTC) + timedelta(hours=20)).timestamp())
    there = north.shop.stripe.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": price}], "billing_cycle_anchor": soon}
    )
    with north.database.unit(north.agency.id) as session:
        row = session.exec(select(Subscription).where(Subscription.client_id == client.id)).one()
        row.stripe_customer, row.stripe_subscription = customer, there.id
    service = gateway_of(north.settings, north.account())
    assert service is not None
    now = datetime.now(UTC)
    span = TimeSpan(now - timedelta(days=30), now)
    facts = Facts(close, client, MONTH, span, span, "North")
    with pytest.raises(NotYet) as waits:
        _draft_of(service, row, facts)
    assert waits.value.until == datetime.fromtimestamp(soon, UTC) + timedelta(minutes=2)


def test_every_unit_is_in_exactly_one_month(north: Office, client_row: Client) -> None:
    """Berlin, over the clock change; usage that arrives late is counted when it comes to light."""
    north.http.patch("/api/v1/billing", json={"timezone": "Europe/Berlin"})
    zone, model = ZoneInfo("Europe/Berlin"), model_of(north, client_row)
    months = [Month(2028, 2), Month(2028, 3), Month(2028, 4)]
    edges = [month.span(zone).start for month in months]
    assert (edges[1] - edges[0], edges[2] - edges[1]) == (timedelta(days=29), timedelta(days=31, hours=-1))
    with north.database.unit(north.agency.id) as session:
        for edge in edges:
            for delta in (-timedelta(microseconds=1), timedelta(), timedelta(hours=1)):
                answer(session, model, edge + delta)
        session.add(gpu_job(client_row, edges[1] - timedelta(seconds=10), 20.5))
        session.add(gpu_job(client_row, edges[1] - timedelta(seconds=20), 19.5))
        session.add(WorkEntry(client_id=client_row.id, person="A", activity=Activity.OTHER, at=edges[1], seconds=60))
    counted = {}
    with north.database.unit(north.agency.id) as session:
        counted[months[0]] = meter_month(session, client_row.id, months[0])
        answer(session, model, edges[0] + timedelta(days=1))
        answer(session, model, edges[0] + timedelta(days=2))
        session.flush()
        counted[months[1]] = meter_month(session, client_row.id, months[1])
        counted[months[2]] = meter_month(session, client_row.id, months[2])
        assert meter_month(session, client_row.id, months[1]) == counted[months[1]]
        total = count(session, client_row.id, TimeSpan(edges[0], months[2].span(zone).end))
    answers = [counted[month][Unit.ANSWERS] for month in months]
    assert [(each.quantity, each.late) for each in answers] == [(3, 0), (3, 2), (2, 0)]
    assert [counted[month][Unit.GPU_SECONDS].quantity for month in months] == [20, 21, 0]
    for unit in (Unit.ANSWERS, Unit.GPU_SECONDS, Unit.OPERATOR_SECONDS, Unit.LABELS):
        assert sum(counted[month][unit].quantity + counted[month][unit].late for month in months) == total[unit]


def test_a_month_that_runs_can_t_be_closed(north: Office, agency_of_three: dict[str, Client]) -> None:
    this = Month.of(datetime.now(UTC), UTC_ZONE)
    answer_ = north.http.post(f"/api/v1/clients/client-basic/months/{this}/close")
    assert (answer_.status_code, "is not over" in answer_.text) == (422, True)
    assert north.http.post("/api/v1/clients/client-basic/months/2026-13/close").status_code == 422


def test_the_daily_round_begins_last_month_once(north: Office, agency_of_three: dict[str, Client]) -> None:
    with north.database.unit(north.agency.id) as session:
        for row in session.exec(select(Subscription)):
            row.started_at = SPAN.start
    with north.database.unit(north.agency.id) as session:
        begun = begin_months(session)
        assert len(begun) == 3
        assert begin_months(session) == begun
        jobs = session.exec(select(JobRow).where(col(JobRow.name) == "billing.close")).all()
    assert len(jobs) == 3


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
def test_there_is_one_round_a_day_also_when_the_clocks_change(zone: str) -> None:
    where, at = ZoneInfo(zone), datetime(2026, 3, 1, tzinfo=UTC)
    days = []
    for _ in range(300):
        at = next_round(at, where)
        days.append(at.astimezone(where).date())
    assert days == [days[0] + timedelta(days=n) for n in range(300)]


def test_reconciling_says_what_differs_and_takes_it_over(north: Office, agency_of_three: dict[str, Client]) -> None:
    context = north.at_work()
    first = reconcile(context)
    assert {each.key.split(":")[0] for each in first} == {"invoice", "subscription"}
    assert reconcile(context) == []
    with north.database.unit(north.agency.id) as session:
        assert all(row.settled_at for row in session.exec(select(ReconcileFinding)))
    client = agency_of_three["basic"]
    with north.database.unit(north.agency.id) as session:
        there = session.exec(select(Subscription).where(Subscription.client_id == client.id)).one()
    north.shop.stripe.v1.subscriptions.cancel(there.stripe_subscription or "")
    (found,) = reconcile(context)
    assert "state differ" in found.summary
    assert north.http.get("/api/v1/clients/client-basic/plan").json()["state"] == "cancelled"
    assert [each["settled_at"] is None for each in north.http.get("/api/v1/billing/findings").json()].count(True) == 1


def test_the_invoice_links_the_report_of_the_month(north: Office, agency_of_three: dict[str, Client]) -> None:
    """The job as a worker runs it, with real reports: prepared, linked, and waiting for somebody's approval."""
    client = agency_of_three["basic"]
    north.shop.account.ahead = int((RENEWAL - datetime.now(UTC)).total_seconds()) + 60
    north.shop.lever("clock", {"seconds": 0})
    north.settle()
    answer_ = north.http.post(f"/api/v1/clients/{client.slug}/months/{MONTH}/close")
    assert answer_.status_code == 202, answer_.text
    north.work()
    assert [each for each in north.failed() if each.startswith("billing")] == []
    (invoice,) = month_invoices(north, client)
    link = invoice.footer.rpartition(": ")[2]
    page = north.http.get(link.partition(north.settings.site_url)[2])
    assert (page.status_code, "Client-Basic" in page.text) == (200, True)
    assert close_of(north, client).sent_at is None
