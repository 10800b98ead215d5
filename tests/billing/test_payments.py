"""What goes wrong with payments, or goes back, is kept, said and taken off revenue, whatever order it is heard in."""

from itertools import permutations
from typing import Any

import httpx
import pytest
import stripe
from sqlmodel import select

from tests.billing.conftest import OnPlan
from tests.billing.emulator import Shop
from tests.billing.office import Office
from tuneloop.kit.clock import now
from tuneloop.kit.ids import new_id
from tuneloop.tables import Invoice, InvoiceReversal, PaymentProblem, ReversalKind, SubscriptionState
from tuneloop_billing.economics.revenue import Revenue, revenue_of
from tuneloop_billing.reconciliation import reconcile


def kinds(north: Office) -> list[str]:
    return [each["kind"] for each in north.http.get("/api/v1/billing/problems").json()]


def card(north: Office, name: str) -> None:
    """Leave a test card; it pays from now on."""
    v1, customer = north.shop.stripe.v1, north.subscription().stripe_customer or ""
    kept = v1.payment_methods.attach(name, {"customer": customer})
    v1.customers.update(customer, {"invoice_settings": {"default_payment_method": kept.id}})
    v1.subscriptions.update(
        north.subscription().stripe_subscription or "", {"collection_method": "charge_automatically"}
    )


def first(north: Office) -> Any:
    (kept,) = north.invoices()
    return north.shop.stripe.v1.invoices.retrieve(kept.stripe_id)


def paid(north: Office, on_plan: OnPlan, name: str = "pm_card_visa") -> Any:
    """Acme's first invoice, paid by card."""
    on_plan("standard")
    north.settle()
    card(north, name)
    north.shop.stripe.v1.invoices.pay(first(north).id)
    north.settle()
    return first(north)


def intent_of(north: Office, invoice: str) -> str:
    (each,) = north.shop.stripe.v1.invoice_payments.list({"invoice": invoice}).data
    return str(each.payment.payment_intent)


def api_invoice(north: Office) -> dict[str, Any]:
    (found,) = north.http.get("/api/v1/clients/acme/invoices").json()
    return dict(found)


def revenue(north: Office) -> dict[str, Any]:
    found = north.http.get("/api/v1/economics").json()
    return {**found["parts"], "net": found["revenue"]}


def test_a_card_that_wants_authentication_pays_only_while_its_owner_is_there(shop: Shop) -> None:
    customer, v1 = shop.customer("pm_card_authenticationRequired"), shop.stripe.v1
    made = v1.subscriptions.create({"customer": customer, "items": [{"price": shop.price()}]})
    assert made.status == "incomplete"
    (invoice,) = shop.invoices(customer)
    with pytest.raises(stripe.CardError) as refused:
        v1.invoices.pay(invoice.id)
    assert refused.value.code == "invoice_payment_intent_requires_action"
    (tie,) = v1.invoice_payments.list({"invoice": invoice.id}).data
    assert v1.payment_intents.retrieve(str(tie.payment.payment_intent)).status == "requires_action"
    assert "invoice.payment_action_required" in shop.kinds()
    assert httpx.post(invoice.hosted_invoice_url, data={"number": "4000002760003184"}).status_code == 303
    assert v1.invoices.retrieve(invoice.id).status == "paid"
    assert v1.subscriptions.retrieve(made.id).status == "active"


def test_a_first_payment_that_is_never_made_ends_the_subscription(shop: Shop) -> None:
    customer = shop.customer("pm_card_chargeCustomerFail")
    made = shop.stripe.v1.subscriptions.create({"customer": customer, "items": [{"price": shop.price()}]})
    shop.advance(1)
    assert shop.stripe.v1.subscriptions.retrieve(made.id).status == "incomplete_expired"
    assert [each.status for each in shop.invoices(customer)] == ["void"]


def test_charges_are_refunded_up_to_what_they_took_and_not_while_disputed(shop: Shop) -> None:
    customer, v1 = shop.customer(), shop.stripe.v1
    v1.subscriptions.create({"customer": customer, "items": [{"price": shop.price()}]})
    (invoice,) = shop.invoices(customer)
    (tie,) = v1.invoice_payments.list({"invoice": invoice.id}).data
    intent = str(tie.payment.payment_intent)
    v1.refunds.create({"payment_intent": intent, "amount": 50_000})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        v1.refunds.create({"payment_intent": intent, "amount": 150_001})
    dispute = shop.lever("disputes", {"invoice": invoice.id})["id"]
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        v1.refunds.create({"payment_intent": intent})
    assert v1.disputes.update(dispute, {"evidence": {"uncategorized_text": "winning_evidence"}}).status == "won"
    v1.refunds.create({"payment_intent": intent})
    with pytest.raises(stripe.InvalidRequestError, match="already been refunded"):
        v1.refunds.create({"payment_intent": intent})


def test_a_payment_that_its_bank_wants_confirmed_is_said_until_it_is(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    link = north.http.post("/api/v1/clients/acme/card-link").json()["url"]
    assert httpx.post(link, data={"number": "4000002760003184"}).status_code == 303
    north.settle()
    assert north.failed() == []
    assert kinds(north) == ["action_required"]
    (problem,) = north.http.get("/api/v1/billing/problems").json()
    invoice = first(north)
    assert invoice.hosted_invoice_url in problem["to_do"]
    assert httpx.post(invoice.hosted_invoice_url, data={"number": "4000002760003184"}).status_code == 303
    north.settle()
    assert kinds(north) == []
    assert api_invoice(north)["status"] == "paid"


def test_a_card_that_is_refused_is_said_until_another_pays(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    card(north, "pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError):
        north.shop.stripe.v1.invoices.pay(first(north).id)
    north.settle()
    assert kinds(north) == ["payment_failed"]
    assert north.subscription().state is SubscriptionState.PAST_DUE
    card(north, "pm_card_visa")
    north.shop.stripe.v1.invoices.pay(first(north).id)
    north.settle()
    assert kinds(north) == []
    assert north.subscription().state is SubscriptionState.ACTIVE


def test_refunds_are_said_and_are_no_revenue(north: Office, on_plan: OnPlan) -> None:
    invoice = paid(north, on_plan)
    whole = invoice.total
    north.shop.stripe.v1.refunds.create({"payment_intent": intent_of(north, invoice.id), "amount": 1_000})
    north.settle()
    assert kinds(north) == ["refunded"]
    assert revenue(north) | {"net": 0} == {
        **dict.fromkeys(("tax", "credited", "lost", "given_up", "at_risk", "net"), 0),
        "invoiced": whole,
        "refunded": 1_000,
    }
    assert revenue(north)["net"] == whole - 1_000
    assert (api_invoice(north)["net"], api_invoice(north)["reversals"][0]["kind"]) == (whole - 1_000, "refund")
    note = {"invoice": invoice.id, "amount": 500, "refund_amount": 500}
    north.shop.stripe.v1.credit_notes.create(note)  # type: ignore[arg-type]
    north.settle()
    assert revenue(north)["net"] == whole - 1_500, "a refund on a credit note counts once"
    assert "refunded" in north.http.get("/clients/acme/billing").text
    assert "refunded" in north.http.get("/economics").text
    assert reconcile(north.at_work()) == []


@pytest.mark.parametrize(
    ("evidence", "kind", "kept"), [("winning_evidence", [], True), (None, ["dispute_lost"], False)]
)
def test_disputes_are_at_risk_until_they_are_decided(
    north: Office, on_plan: OnPlan, evidence: str | None, kind: list[str], kept: bool
) -> None:
    invoice = paid(north, on_plan)
    dispute = north.shop.lever("disputes", {"invoice": invoice.id})["id"]
    north.settle()
    assert kinds(north) == ["disputed"]
    assert (revenue(north)["at_risk"], revenue(north)["net"]) == (invoice.total, invoice.total)
    (problem,) = north.http.get("/api/v1/billing/problems").json()
    assert "until 2" in problem["to_do"]
    if evidence:
        north.shop.stripe.v1.disputes.update(dispute, {"evidence": {"uncategorized_text": evidence}})
    else:
        north.shop.stripe.v1.disputes.close(dispute)
    north.settle()
    assert kinds(north) == kind
    found = revenue(north)
    assert (found["at_risk"], found["net"]) == (0, invoice.total if kept else 0)


def test_events_of_payments_end_alike_in_every_order_and_number(north: Office, on_plan: OnPlan) -> None:
    invoice = paid(north, on_plan, "pm_card_createDispute")
    ends = set()
    waiting = [each for each in north.shop.deliveries() if each["type"].startswith("charge.dispute.")]
    assert waiting == [], "the first ones are taken"
    (dispute,) = north.shop.stripe.v1.disputes.list({"payment_intent": intent_of(north, invoice.id)}).data
    north.shop.stripe.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "losing_evidence"}})
    waiting = north.shop.deliveries()
    assert len(waiting) == 2
    for order in permutations(waiting):
        north.take_webhooks(list(order), copies=2)
        north.work()
        ends.add((tuple(kinds(north)), revenue(north)["net"], api_invoice(north)["reversals"][0]["status"]))
    assert ends == {(("dispute_lost",), 0, "lost")}


def test_the_night_finds_what_no_webhook_told(north: Office, on_plan: OnPlan) -> None:
    invoice = paid(north, on_plan)
    north.shop.stripe.v1.refunds.create({"payment_intent": intent_of(north, invoice.id)})
    for each in north.shop.account.deliveries:
        each.done = True
    reconcile(north.at_work())
    assert kinds(north) == ["refunded"]
    assert revenue(north)["net"] == 0


def test_what_is_given_up_is_no_revenue(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    north.shop.stripe.v1.invoices.mark_uncollectible(first(north).id)
    north.settle()
    assert kinds(north) == ["uncollectible"]
    assert (revenue(north)["net"], revenue(north)["given_up"]) == (0, first(north).total)
    north.shop.stripe.v1.invoices.pay(first(north).id, {"paid_out_of_band": True})
    north.settle()
    assert (kinds(north), revenue(north)["given_up"]) == ([], 0)


def test_another_s_refunds_and_disputes_are_left_alone(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    other, v1 = north.shop.customer("pm_card_createDispute"), north.shop.stripe.v1
    v1.subscriptions.create({"customer": other, "items": [{"price": north.shop.price(9_900, name="Hosting")}]})
    north.settle()
    assert (north.failed(), kinds(north)) == ([], [])
    with north.database.unit(north.agency.id) as session:
        assert session.exec(select(InvoiceReversal)).all() == []


def test_tax_is_read_and_is_no_revenue(north: Office, on_plan: OnPlan) -> None:
    on_plan("standard")
    north.settle()
    there = north.shop.account.all("invoice")[first(north).id]
    there["total_excluding_tax"] = there["total"] - 1_900
    reconcile(north.at_work())
    assert revenue(north)["tax"] == 1_900
    assert revenue(north)["net"] == there["total"] - 1_900


def _invoice(**values: Any) -> Invoice:
    amounts = {"total": 11_900, "tax": 1_900, "amount_paid": 11_900, "amount_remaining": 0} | values
    return Invoice(stripe_id="in_1", status=amounts.pop("status", "paid"), currency="eur", issued_at=now(), **amounts)


def _back(kind: ReversalKind, amount: int, status: str, credited: int = 0) -> InvoiceReversal:
    return InvoiceReversal(
        client_id=new_id(),
        invoice_id=new_id(),
        stripe_id="re_1",
        kind=kind,
        amount=amount,
        credited=credited,
        status=status,
        at=now(),
    )


@pytest.mark.parametrize(
    ("invoice", "reversals", "parts", "net"),
    [
        (_invoice(), [], {}, 10_000),
        (_invoice(credited=1_190, credited_tax=190), [], {"credited": 1_000}, 9_000),
        (_invoice(), [_back(ReversalKind.REFUND, 1_190, "succeeded")], {"refunded": 1_000}, 9_000),
        (
            _invoice(credited=1_190, credited_tax=190),
            [_back(ReversalKind.REFUND, 1_190, "succeeded", credited=1_190)],
            {"credited": 1_000},
            9_000,
        ),
        (_invoice(), [_back(ReversalKind.DISPUTE, 11_900, "lost")], {"lost": 10_000}, 0),
        (_invoice(), [_back(ReversalKind.DISPUTE, 11_900, "under_review")], {"at_risk": 10_000}, 10_000),
        (_invoice(), [_back(ReversalKind.DISPUTE, 11_900, "warning_needs_response")], {}, 10_000),
        (_invoice(), [_back(ReversalKind.DISPUTE, 11_900, "won")], {}, 10_000),
        (_invoice(status="uncollectible", amount_remaining=5_950), [], {"given_up": 5_000}, 5_000),
        (_invoice(total=-1_190, tax=-190, amount_paid=0), [], {}, -1_000),
    ],
)
def test_revenue_is_net_of_all_that_went_back_without_its_tax(
    invoice: Invoice, reversals: list[InvoiceReversal], parts: dict[str, int], net: int
) -> None:
    assert revenue_of(invoice, reversals) == Revenue(invoiced=invoice.total, tax=invoice.tax, **parts)
    assert revenue_of(invoice, reversals).net == net


@pytest.mark.parametrize("status", ["draft", "void", "deleted"])
def test_what_was_not_issued_is_no_revenue(status: str) -> None:
    assert revenue_of(_invoice(status=status), []) == Revenue()


def test_an_older_problem_is_struck_off_and_one_that_was_dismissed_stays_so(north: Office, on_plan: OnPlan) -> None:
    invoice = paid(north, on_plan)
    north.shop.lever("disputes", {"invoice": invoice.id})
    north.settle()
    (problem,) = north.http.get("/api/v1/billing/problems").json()
    north.http.post(f"/api/v1/billing/problems/{problem['id']}/dismiss")
    reconcile(north.at_work())
    assert kinds(north) == []
    with north.database.unit(north.agency.id) as session:
        assert len(session.exec(select(PaymentProblem)).all()) == 1
