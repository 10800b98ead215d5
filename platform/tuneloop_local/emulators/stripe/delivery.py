"""Webhooks: signed as Stripe signs them, tried again until they are taken, in order unless somebody asks otherwise."""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from time import time
from typing import NamedTuple

import httpx
import orjson

from tuneloop_local.emulators.stripe.store import Account, Delivery, World

FIRST_RETRY, MOST_ATTEMPTS = 2.0, 12


class Signed(NamedTuple):
    """A webhook as it goes over the wire."""

    url: str
    body: bytes
    headers: dict[str, str]


def signature(body: bytes, secret: str, *, moment: int) -> str:
    """https://docs.stripe.com/webhooks#verify-manually"""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, sha256).hexdigest()
    return f"t={moment},v1={signed}"


def sign(world: World, owner: Account, delivery: Delivery, *, moment: int | None = None) -> Signed | None:
    """None when the endpoint or the event is gone."""
    endpoint = owner.all("webhook_endpoint").get(delivery.endpoint)
    event = _event(world, owner, delivery.event)
    if endpoint is None or event is None:
        return None
    body = orjson.dumps(event)
    at = int(time()) if moment is None else moment
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (emulator)"}
    return Signed(endpoint["url"], body, headers | {"Stripe-Signature": signature(body, endpoint["secret"], moment=at)})


def _event(world: World, owner: Account, event_id: str) -> object | None:
    if found := owner.all("event").get(event_id):
        return found
    connected = (each for each in world.accounts.values() if each.owner == owner.id)
    return next((each.all("event")[event_id] for each in connected if event_id in each.all("event")), None)


def pending(account: Account) -> list[Delivery]:
    return [delivery for delivery in account.deliveries if not delivery.done]


def deliver_due(world: World, http: httpx.Client) -> int:
    """Send what is due. Accounts on hold keep theirs."""
    with world.lock:
        due = [
            (account, delivery)
            for account in world.accounts.values()
            if not account.hold
            for delivery in pending(account)
            if delivery.due <= time()
        ]
    for account, delivery in due:
        send(world, account, delivery, http)
    return len(due)


def send_in(world: World, account: Account, order: Sequence[str], copies: int, http: httpx.Client) -> list[str]:
    """Send these deliveries now, in this order, each so many times. Returns the answers."""
    by_id = {delivery.id: delivery for delivery in account.deliveries}
    return [send(world, account, by_id[name], http) for name in order for _ in range(copies)]


def send(world: World, account: Account, delivery: Delivery, http: httpx.Client) -> str:
    with world.lock:
        signed = sign(world, account, delivery)
    if signed is None:
        delivery.done, delivery.answer = True, "the endpoint is gone"
        return delivery.answer
    try:
        taken = http.post(signed.url, content=signed.body, headers=signed.headers)
        delivery.answer, delivery.done = str(taken.status_code), taken.is_success
    except httpx.TransportError as error:
        delivery.answer, delivery.done = type(error).__name__, False
    delivery.attempts += 1
    if not delivery.done:
        delivery.due = time() + FIRST_RETRY * 2 ** min(delivery.attempts, 10)
        delivery.done = delivery.attempts >= MOST_ATTEMPTS
    return delivery.answer
