"""Stripe behind the protocol: an account of its own by secret key, or one connected to our platform."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import stripe

from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import Conflict, Unavailable
from tuneloop.kit.settings import Settings
from tuneloop.tables import BillingAccount, BillingMode
from tuneloop_billing.payment_provider import invoices, subscriptions
from tuneloop_billing.payment_provider.edge import CLIENT, VERSION, found, get, marked_client, present, refusals
from tuneloop_billing.payment_provider.protocol import (
    AccountFacts,
    Checkout,
    Endpoint,
    InvoiceFacts,
    Payer,
    PaymentGateway,
    Price,
    Relisten,
    Statement,
    SubscriptionFacts,
    Wanted,
)

EVENTS = (
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.overdue",
    "invoice.updated",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "invoice.deleted",
    "credit_note.created",
    "credit_note.voided",
    "charge.refunded",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "checkout.session.completed",
)


class StripeGateway:
    """`account` is the connected account to act for; without it the key's own."""

    def __init__(self, key: str, *, url: str, account: str | None = None) -> None:
        client = stripe.StripeClient(
            key,
            base_addresses={"api": url},
            stripe_version=VERSION,
            stripe_account=account,
            max_network_retries=2,
        )
        self._v1: Any = client.v1
        self._account = account

    def account(self) -> AccountFacts:
        with refusals():
            account = self._v1.accounts.retrieve_current()
            return AccountFacts(account.id, get(account, "business_profile", "name"), False)

    def listen(self, url: str) -> Endpoint:
        """A new endpoint: an older one at the same address is removed, for its secret can't be read again."""
        self.stop_listening(url)
        with refusals():
            made = self._v1.webhook_endpoints.create(
                {"url": url, "enabled_events": list(EVENTS), "api_version": VERSION}
            )
            return Endpoint(made.id, made.secret)

    def keep_listening(self, ours: Callable[[str], bool], anew: str) -> Relisten:
        """Look after the endpoint whose address is `ours`: enable it, let it hear all that we act on, or make it anew
        at another address."""
        with refusals():
            listed = self._v1.webhook_endpoints.list({"limit": 100}).auto_paging_iter()
            there = next((each for each in listed if ours(each.url)), None)
        if there is None:
            return Relisten(["the webhook endpoint was deleted at Stripe, and is made anew"], self.listen(anew))
        mended = []
        if there.status != "enabled":
            mended.append("the webhook endpoint was disabled at Stripe, and is enabled again")
        if mended or (not {"*"} & set(there.enabled_events) and set(EVENTS) - set(there.enabled_events)):
            with refusals():
                self._v1.webhook_endpoints.update(there.id, {"enabled_events": list(EVENTS), "disabled": False})
        return Relisten(mended, None)

    def stop_listening(self, url: str) -> None:
        with refusals():
            for each in self._v1.webhook_endpoints.list({"limit": 100}).auto_paging_iter():
                if each.url == url:
                    self._v1.webhook_endpoints.delete(each.id)

    def publish(self, price: Price, *, sold: bool) -> list[str]:
        """Returns what somebody had changed at Stripe and is set right now."""
        with refusals():
            return subscriptions.ensure_price(self._v1, price, sold=sold).mended

    def apply(self, wanted: Wanted) -> SubscriptionFacts | None:
        with refusals():
            return subscriptions.apply(self._v1, wanted)

    def subscription(self, subscription_id: str) -> SubscriptionFacts:
        with refusals():
            there = present("subscription", subscription_id, lambda: self._v1.subscriptions.retrieve(subscription_id))
            return subscriptions.facts_of(self._v1, there)

    def check_customer(self, customer: str) -> None:
        """Raises GoneAtProvider."""
        with refusals():
            subscriptions.find_customer(self._v1, customer)

    def invoice(self, invoice_id: str) -> InvoiceFacts:
        with refusals():
            there = present("invoice", invoice_id, lambda: self._v1.invoices.retrieve(invoice_id))
            return invoices.facts_of(self._v1, there, payments=True)

    def invoices(self, customer: str, *, payments: bool = False) -> Iterator[InvoiceFacts]:
        with refusals():
            yield from invoices.invoices_of(self._v1, customer, payments=payments)

    def invoice_of_payment(self, payment: str) -> str | None:
        with refusals():
            return invoices.invoice_of_payment(self._v1, payment)

    def hold(self, invoice_id: str) -> None:
        """Keep a renewal's draft until the month's lines are on it."""
        with refusals():
            invoice = found(lambda: self._v1.invoices.retrieve(invoice_id))
            if invoice is not None and invoice.status == "draft" and invoice.auto_advance:
                self._v1.invoices.update(invoice_id, {"auto_advance": False})

    def issue(self, statement: Statement) -> InvoiceFacts:
        with refusals():
            return invoices.issue(self._v1, statement)

    def credit(self, invoice_id: str, *, amount: int, reason: str, key: str) -> None:
        """An open invoice is lowered; for a paid one the amount goes to the customer's balance."""
        with refusals():
            invoice = self._v1.invoices.retrieve(invoice_id)
            order: dict[str, Any] = {"invoice": invoice_id, "amount": amount, "memo": reason}
            if invoice.status == "paid":
                order["credit_amount"] = amount
            self._v1.credit_notes.create(order, {"idempotency_key": key})

    def customer(self, payer: Payer) -> str:
        with refusals():
            return str(subscriptions.known_customer(self._v1, payer).id)

    def card_link(self, payer: Payer, *, back: str, currency: str) -> str:
        with refusals():
            order = {"mode": "setup", "success_url": back, "cancel_url": back, "currency": currency}
            customer = subscriptions.known_customer(self._v1, payer).id
            marks = {CLIENT: str(payer.client_id)}
            session = self._v1.checkout.sessions.create({**order, "customer": customer, "metadata": marks})
            return str(session.url)

    def checkout(self, session_id: str) -> Checkout:
        with refusals():
            session = self._v1.checkout.sessions.retrieve(session_id, {"expand": ["setup_intent"]})
            card = get(session, "setup_intent", "payment_method") if session.status == "complete" else None
            return Checkout(marked_client(session), session.customer, str(card) if card else None)

    def use_card(self, payer: Payer, card: str, *, subscription: str | None) -> None:
        """It pays the client's invoices from now on, also those that are open; what others bill stays as it is."""
        with refusals():
            self._v1.customers.update(payer.customer, {"invoice_settings": {"default_payment_method": card}})
            if subscription is not None:
                there = found(lambda: self._v1.subscriptions.retrieve(subscription))
                runs = there if there is not None and there.status != "canceled" else None
                if runs is not None and runs.collection_method != "charge_automatically":
                    self._v1.subscriptions.update(subscription, {"collection_method": "charge_automatically"})
            for each in list(invoices.invoices_of(self._v1, payer.customer or "", status="open")):
                if each.client_id == payer.client_id:
                    with suppress(stripe.CardError):  # it stays open, and Stripe tells the client
                        self._v1.invoices.pay(each.id, {})

    def portal_link(self, customer: str, *, back: str) -> str:
        with refusals():
            return str(self._v1.billing_portal.sessions.create({"customer": customer, "return_url": back}).url)


def connect_account(settings: Settings, *, name: str, back: str) -> tuple[str, str]:
    """A new account connected to our platform, and the link under which its owner sets it up."""
    key = settings.stripe_platform_key.get_secret_value()
    if not key:
        raise Conflict("this installation has no Stripe platform; give your own secret key instead")
    client = stripe.StripeClient(
        key, base_addresses={"api": address(settings, BillingMode.CONNECT)}, stripe_version=VERSION
    )
    with refusals():
        made = client.v1.accounts.create({"type": "standard", "business_profile": {"name": name}})
        link = client.v1.account_links.create(
            {"account": made.id, "type": "account_onboarding", "refresh_url": back, "return_url": back}
        )
    return made.id, link.url


def address(settings: Settings, mode: BillingMode) -> str:
    """Where keys of this kind are known: nothing is told by what a key looks like."""
    return {
        BillingMode.STAND_IN: settings.stripe_emulator_url,
        BillingMode.CONNECT: settings.stripe_platform_url,
    }.get(mode, settings.stripe_url)


def gateway_of(settings: Settings, account: BillingAccount | None) -> PaymentGateway | None:
    """The agency's way to Stripe; None when it bills elsewhere."""
    if account is None or account.mode is BillingMode.NONE:
        return None
    if account.mode is BillingMode.CONNECT:
        key = settings.stripe_platform_key.get_secret_value()
        return StripeGateway(key, url=address(settings, account.mode), account=account.stripe_account)
    key = Vault(settings.secret_key.get_secret_value()).open(account.sealed_key or "")
    return StripeGateway(key, url=address(settings, account.mode))


def open_emulator(settings: Settings, *, name: str) -> str:
    """The key of a new account at the emulator. Raises Unavailable when none runs."""
    url = settings.stripe_emulator_url
    try:
        answer = httpx.post(f"{url}/_emulator/accounts", json={"name": name}, timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise Unavailable(f"no Stripe emulator answers at {url}; start it with 'tuneloop stripe-emulator'") from error
    return str(answer.json()["key"])
