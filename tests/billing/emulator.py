"""The Stripe emulator as tests use it: the real SDK against a server on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import stripe

from tests.support.ports import free_port
from tuneloop_local.emulators.in_thread import in_thread
from tuneloop_local.emulators.stripe.app import create_emulator
from tuneloop_local.emulators.stripe.spec import VERSION, Specification, specification
from tuneloop_local.emulators.stripe.store import Account, World

DAY = 86_400


class Running(NamedTuple):
    url: str
    world: World
    spec: Specification


@contextmanager
def running(cache: Path) -> Iterator[Running]:
    """An emulator on loopback whose time passes, and whose webhooks go out, only when it is told so."""
    spec, world = specification(cache), World()
    with in_thread(create_emulator(spec, world), free_port()) as url:
        yield Running(url, world, spec)


@dataclass(frozen=True)
class Shop:
    """One account at the emulator."""

    running: Running
    account: Account
    stripe: stripe.StripeClient

    def advance(self, days: float) -> int:
        return int(self.lever("clock", {"seconds": int(days * DAY)})["happened"])

    def lever(self, name: str, data: dict[str, Any]) -> Any:
        url = f"{self.running.url}/_emulator/accounts/{self.account.id}/{name}"
        answer = httpx.post(url, json=data, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def deliveries(self) -> list[dict[str, Any]]:
        url = f"{self.running.url}/_emulator/accounts/{self.account.id}/deliveries"
        found: list[dict[str, Any]] = httpx.get(url).json()
        return found

    def price(self, amount: int = 200_000, *, name: str = "Standard retrain", product_id: str | None = None) -> str:
        product = self.stripe.v1.products.create({"name": name, **({"id": product_id} if product_id else {})})  # type: ignore[typeddict-item]
        return self.stripe.v1.prices.create(
            {"product": product.id, "currency": "usd", "unit_amount": amount, "recurring": {"interval": "month"}}
        ).id

    def customer(self, card: str | None = "pm_card_visa") -> str:
        customer = self.stripe.v1.customers.create({"name": "Acme", "email": "pay@acme.example"})
        if card:
            kept = self.stripe.v1.payment_methods.attach(card, {"customer": customer.id})
            self.stripe.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": kept.id}})
        return customer.id

    def invoices(self, customer: str) -> list[Any]:
        return list(reversed(self.stripe.v1.invoices.list({"customer": customer, "limit": 100}).data))

    def kinds(self) -> list[str]:
        return [event.type for event in reversed(self.stripe.v1.events.list({"limit": 100}).data)]


def client_of(running: Running, key: str | None, *, account: str | None = None) -> stripe.StripeClient:
    return stripe.StripeClient(
        key or "", base_addresses={"api": running.url}, stripe_version=VERSION, stripe_account=account
    )


def open_shop(running: Running, name: str = "North") -> Shop:
    made = httpx.post(f"{running.url}/_emulator/accounts", json={"name": name}, timeout=60).json()
    return Shop(running, running.world.accounts[made["id"]], client_of(running, made["key"]))
