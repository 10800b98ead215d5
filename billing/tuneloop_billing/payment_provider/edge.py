"""The edge to Stripe's SDK: its errors become ours, its objects plain values."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe

from tuneloop_billing.payment_provider.protocol import GoneAtProvider, PaymentRefused, ProviderAway

VERSION = "2026-05-27.dahlia"
"""Pinned: an answer keeps its shape until we have read a newer version's changes."""

CLIENT = "tuneloop_client"
"""Where an object's metadata names the client that it is for."""

Client = Any
"""`stripe.StripeClient.v1`; its parameters are checked by Stripe, and by the emulator against Stripe's schema."""


@contextmanager
def refusals() -> Iterator[None]:
    """Stripe's final answers as `PaymentRefused`; what may pass (network, limits, their fault) as `ProviderAway`."""
    try:
        yield
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise _away(error) from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"Stripe's answer is not of a shape that we know ({error!r}); look at the object in Stripe's dashboard"
        raise PaymentRefused(what) from error
    except stripe.StripeError as error:
        if error.http_status and error.http_status >= 500 and error.code != "not_modelled":
            raise _away(error) from error
        raise PaymentRefused(f"Stripe refused: {error.user_message or error}", stripe_code=error.code) from error


def _away(error: stripe.StripeError) -> ProviderAway:
    wait = (error.headers or {}).get("Retry-After", "")
    status = f"answers {error.http_status}" if error.http_status else "does not answer"
    return ProviderAway(f"Stripe {status}", retry_after_seconds=int(wait) if wait.isdigit() else None)


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def moment_or_none(seconds: int | None) -> datetime | None:
    return moment(seconds) if seconds else None


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def found(read: Callable[[], Any]) -> Any | None:
    """What Stripe has, or None when it has no such thing."""
    try:
        return read()
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            return None
        raise


def present(kind: str, name: str, read: Callable[[], Any]) -> Any:
    """What Stripe has. Raises GoneAtProvider for what is deleted or not there."""
    subject = found(read)
    if subject is None or get(subject, "deleted"):
        raise GoneAtProvider(kind, name)
    return subject


def marked_client(subject: Any) -> UUID | None:
    """Whose an object is, by the mark that we left in its metadata; None on what is not ours."""
    try:
        return UUID(get(subject, "metadata", CLIENT) or "")
    except ValueError:
        return None


def id_of(subject: Any) -> str:
    """Of an object, or of the id that stands in its place."""
    return str(subject if isinstance(subject, str) else subject.id)


def get(subject: Any, *names: str) -> Any:
    """A value within nested objects; None where one is missing."""
    for name in names:
        if subject is None or name not in subject:
            return None
        subject = subject[name]
    return subject
