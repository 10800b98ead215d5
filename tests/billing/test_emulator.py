"""The emulator does what Stripe does, as far as it goes, and says so where it doesn't."""

from typing import Any

import httpx
import pytest
import stripe

from tests.billing.emulator import DAY, Running, Shop, client_of, open_shop
from tuneloop_local.emulators.stripe.store import World


def subscribe(shop: Shop, customer: str, price: str, **more: Any) -> stripe.Subscription:
    params: Any = {"customer": customer, "items": [{"price": price}], **more}
    return shop.stripe.v1.subscriptions.create(params)


@pytest.mark.parametrize(
    ("path", "params", "problem"),
    [
        ("/v1/customers", {"nmae": "x"}, "Received unknown parameter: nmae"),
        ("/v1/prices", {"currency": "usd", "unit_amount": "ten"}, "Invalid integer: ten"),
        ("/v1/subscriptions", {"items[0][price]": "p"}, "Missing required param: customer"),
        ("/v1/invoiceitems", {"customer": "cus_none", "amount": "1"}, "No such customer: 'cus_none'"),
        ("/v1/invoices", {"collection_method": "by_pigeon"}, "must be one of charge_automatically, send_invoice"),
        ("/v1/credit_notes", {"amount": "5"}, "Missing required param: invoice"),
        ("/v1/webhook_endpoints", {"url": "https://x.example"}, "Missing required param: enabled_events"),
        ("/v1/coupons", {"percent_off": "10", "amount_off": "10"}, "one of percent_off or amount_off"),
        ("/v1/quotes", {"customer": "cus_1"}, "does not model POST /v1/quotes"),
        ("/v1/customers", {"source": "tok_visa"}, "does not model the parameter source"),
        ("/v1/nonsense", {}, "Unrecognized request URL"),
    ],
)
def test_what_stripe_refuses_or_we_don_t_model_is_refused(
    shop: Shop, path: str, params: dict[str, str], problem: str
) -> None:
    answer = httpx.post(
        f"{shop.running.url}{path}", data=params, headers={"Authorization": f"Bearer {shop.account.key}"}
    )
    assert answer.status_code in (400, 404, 501), answer.text
    assert problem in answer.json()["error"]["message"]


def test_without_a_key_nothing_is_answered(emulator: Running) -> None:
    with pytest.raises(stripe.AuthenticationError):
        client_of(emulator, "sk_test_unknown").v1.customers.list()


def test_a_subscription_charges_renews_and_ends(shop: Shop) -> None:
    customer = shop.customer()
    subscription = subscribe(shop, customer, shop.price())
    assert subscription.status == "active"
    shop.advance(32)
    shop.stripe.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    shop.advance(40)
    assert shop.stripe.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert [(each.status, each.total, each.billing_reason) for each in shop.invoices(customer)] == [
        ("paid", 200_000, "subscription_create"),
        ("paid", 200_000, "subscription_cycle"),
    ]
    assert "customer.subscription.deleted" in shop.kinds()


def test_a_renewal_is_a_draft_for_an_hour(shop: Shop) -> None:
    customer = shop.customer()
    subscription = subscribe(shop, customer, shop.price())
    ends = subscription["items"].data[0].current_period_end
    shop.lever("clock", {"to": ends + 1800})
    draft = shop.invoices(customer)[-1]
    assert (draft.status, draft.automatically_finalizes_at) == ("draft", ends + 3600)
    shop.stripe.v1.invoice_items.create(
        {"customer": customer, "invoice": draft.id, "amount": 70_000, "currency": "usd", "description": "Retrain"}
    )
    shop.lever("clock", {"to": ends + 3600})
    paid = shop.stripe.v1.invoices.retrieve(draft.id)
    assert (paid.status, paid.total) == ("paid", 270_000)


def test_an_upgrade_is_prorated_to_the_second(shop: Shop) -> None:
    customer = shop.customer()
    subscription = subscribe(shop, customer, shop.price(200_000))
    item = subscription["items"].data[0]
    length = item.current_period_end - item.current_period_start
    at = item.current_period_start + length // 4
    shop.stripe.v1.subscriptions.update(
        subscription.id,
        {"items": [{"id": item.id, "price": shop.price(400_000, name="Premium")}], "proration_date": at},
    )
    pending = shop.stripe.v1.invoice_items.list({"customer": customer, "pending": True}).data
    rest = (item.current_period_end - at) / length
    assert sorted(each.amount for each in pending) == [-round(200_000 * rest), round(400_000 * rest)]
    assert all(each.proration for each in pending)


def test_a_schedule_changes_the_plan_at_the_end_of_the_period(shop: Shop) -> None:
    customer, dear, cheap = shop.customer(), shop.price(400_000, name="Premium"), shop.price(75_000, name="Basic")
    subscription = subscribe(shop, customer, dear)
    schedule = shop.stripe.v1.subscription_schedules.create({"from_subscription": subscription.id})
    now = schedule.phases[0]
    shop.stripe.v1.subscription_schedules.update(
        schedule.id,
        {
            "end_behavior": "release",
            "phases": [
                {"items": [{"price": dear}], "start_date": now.start_date, "end_date": now.end_date},
                {"items": [{"price": cheap}], "start_date": now.end_date, "end_date": now.end_date + 31 * DAY},
            ],
        },
    )
    with pytest.raises(stripe.InvalidRequestError, match="managed by a subscription schedule"):
        shop.stripe.v1.subscriptions.update(
            subscription.id, {"items": [{"id": subscription["items"].data[0].id, "price": cheap}]}
        )
    shop.advance(33)
    assert [each.total for each in shop.invoices(customer)] == [400_000, 75_000]


def test_a_card_that_fails_later_is_tried_again_and_then_left(shop: Shop) -> None:
    customer = shop.customer("pm_card_chargeCustomerFail")
    subscription = subscribe(shop, customer, shop.price(), trial_period_days=14)
    assert subscription.status == "trialing"
    shop.advance(15)
    assert shop.stripe.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    shop.advance(20)
    failed = shop.invoices(customer)[-1]
    assert (failed.status, failed.attempt_count, failed.next_payment_attempt) == ("open", 4, None)
    good = shop.stripe.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    shop.stripe.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": good.id}})
    shop.stripe.v1.invoices.pay(failed.id)
    assert shop.stripe.v1.subscriptions.retrieve(subscription.id).status == "active"
    kinds = shop.kinds()
    assert kinds.count("invoice.payment_failed") == 4
    assert "customer.subscription.trial_will_end" in kinds


def test_a_sent_invoice_falls_due(shop: Shop) -> None:
    customer = shop.customer(None)
    subscription = subscribe(shop, customer, shop.price(), collection_method="send_invoice", days_until_due=14)
    assert (subscription.status, shop.invoices(customer)[0].status) == ("active", "open")
    shop.advance(15)
    assert shop.stripe.v1.subscriptions.retrieve(subscription.id).status == "past_due"
    shop.stripe.v1.invoices.pay(shop.invoices(customer)[0].id, {"paid_out_of_band": True})
    assert shop.stripe.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_a_pause_voids_what_would_be_charged(shop: Shop) -> None:
    customer = shop.customer()
    subscription = subscribe(shop, customer, shop.price())
    shop.stripe.v1.subscriptions.update(subscription.id, {"pause_collection": {"behavior": "void"}})
    shop.advance(32)
    shop.stripe.v1.subscriptions.update(subscription.id, {"pause_collection": ""})
    shop.advance(31)
    assert [each.status for each in shop.invoices(customer)] == ["paid", "void", "paid"]


def test_coupons_and_credit_notes(shop: Shop) -> None:
    customer = shop.customer()
    shop.stripe.v1.coupons.create({"id": "WELCOME", "percent_off": 25, "duration": "once"})
    subscribe(shop, customer, shop.price(), discounts=[{"coupon": "WELCOME"}])
    shop.advance(32)
    first, second = shop.invoices(customer)
    assert (first.total, second.total) == (150_000, 200_000)
    note = shop.stripe.v1.credit_notes.create({"invoice": second.id, "amount": 50_000, "credit_amount": 50_000})
    assert (note.type, note.total) == ("post_payment", 50_000)
    with pytest.raises(stripe.InvalidRequestError, match="larger than what is left"):
        shop.stripe.v1.credit_notes.create({"invoice": second.id, "amount": 150_001, "credit_amount": 150_001})
    shop.advance(31)
    assert shop.invoices(customer)[-1].amount_due == 150_000


def test_a_key_is_honoured_once_and_for_one_request_only(shop: Shop) -> None:
    made = [shop.stripe.v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"}) for _ in range(3)]
    assert len({each.id for each in made}) == 1
    with pytest.raises(stripe.IdempotencyError):
        shop.stripe.v1.customers.create({"name": "Other"}, {"idempotency_key": "k"})
    assert len(shop.stripe.v1.customers.list().data) == 1


def test_accounts_are_isolated(shop: Shop, emulator: Running) -> None:
    other, customer = open_shop(emulator, "South"), shop.customer()
    connected = shop.stripe.v1.accounts.create({"type": "standard", "email": "x@x.example"})
    inside = client_of(emulator, shop.account.key, account=connected.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        inside.v1.customers.retrieve(customer)
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        other.stripe.v1.customers.retrieve(customer)
    with pytest.raises(stripe.PermissionError, match="does not have access to account"):
        client_of(emulator, other.account.key, account=connected.id).v1.customers.list()
    made = inside.v1.customers.create({"name": "Theirs"})
    assert [each.id for each in inside.v1.customers.list().data] == [made.id]
    assert [each.id for each in shop.stripe.v1.customers.list().data] == [customer]


def test_webhooks_are_signed_and_go_to_the_platform_for_connected_accounts(shop: Shop, emulator: Running) -> None:
    own = shop.stripe.v1.webhook_endpoints.create({"url": "http://127.0.0.1:1/own", "enabled_events": ["*"]})
    platform = shop.stripe.v1.webhook_endpoints.create(
        {"url": "http://127.0.0.1:1/connect", "enabled_events": ["customer.created"], "connect": True}
    )
    connected = shop.stripe.v1.accounts.create({"type": "standard"})
    client_of(emulator, shop.account.key, account=connected.id).v1.customers.create({"name": "Theirs"})
    shop.stripe.v1.customers.create({"name": "Ours"})
    there, ours = shop.deliveries()
    event = stripe.Webhook.construct_event(there["body"], there["headers"]["Stripe-Signature"], str(platform.secret))
    assert (event.account, event.type, there["url"]) == (connected.id, "customer.created", platform.url)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(ours["body"], ours["headers"]["Stripe-Signature"], str(platform.secret))
    stripe.Webhook.construct_event(ours["body"], ours["headers"]["Stripe-Signature"], str(own.secret))
    assert not hasattr(shop.stripe.v1.webhook_endpoints.retrieve(own.id), "secret")


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        ("4242424242424242", 303, ""),
        ("4000000000000002", 402, "Your card was declined."),
        ("1", 402, "test cards; choose"),
    ],
)
def test_checkout_saves_a_card(shop: Shop, number: str, status: int, words: str) -> None:
    customer = shop.customer(None)
    session = shop.stripe.v1.checkout.sessions.create(
        {"mode": "setup", "customer": customer, "success_url": "http://127.0.0.1:1/done", "currency": "usd"}
    )
    assert "Save card" in httpx.get(str(session.url)).text
    answer = httpx.post(str(session.url), data={"number": number})
    assert (answer.status_code, words in answer.text) == (status, True)
    after = shop.stripe.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert after.status == ("complete" if status == 303 else "open")
    assert (after.setup_intent is not None) == (status == 303)


def test_the_portal_and_the_invoice_page_work(shop: Shop) -> None:
    customer = shop.customer(None)
    subscription = subscribe(shop, customer, shop.price(), collection_method="send_invoice", days_until_due=14)
    portal = str(shop.stripe.v1.billing_portal.sessions.create({"customer": customer, "return_url": "http://x/"}).url)
    assert "Standard retrain" in httpx.get(portal).text
    httpx.post(portal, data={"do": "cancel", "subscription": subscription.id})
    assert shop.stripe.v1.subscriptions.retrieve(subscription.id).cancel_at_period_end
    httpx.post(portal, data={"do": "keep", "subscription": subscription.id})
    assert not shop.stripe.v1.subscriptions.retrieve(subscription.id).cancel_at_period_end
    page = str(shop.invoices(customer)[0].hosted_invoice_url)
    assert "2,000.00 USD" in httpx.get(page).text
    assert httpx.post(page, data={"number": "4000000000000341"}).status_code == 402
    assert httpx.post(page, data={"number": "4242424242424242"}).status_code == 303
    assert shop.invoices(customer)[0].status == "paid"


def test_text_of_customers_is_shown_literally(shop: Shop) -> None:
    shop.stripe.v1.customers.create({"name": "<script>alert(1)</script> {{7*7}}", "email": "x@x.example"})
    portal = shop.stripe.v1.billing_portal.sessions.create(
        {"customer": shop.stripe.v1.customers.list().data[0].id, "return_url": "http://x/"}
    )
    text = httpx.get(str(portal.url)).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{7*7}}" in text
    assert "<script>" not in text


def test_what_the_emulator_knows_outlives_it(shop: Shop, tmp_path: Any) -> None:
    customer = shop.customer()
    subscribe(shop, customer, shop.price())
    kept = World(tmp_path / "stripe.json")
    kept.accounts[shop.account.id] = shop.account
    kept.save()
    again = World(tmp_path / "stripe.json").accounts[shop.account.id]
    assert again.objects == shop.account.objects
    assert again.replies == shop.account.replies
