"""Stripe's signature over the raw body. https://docs.stripe.com/webhooks#verify-manually"""

import hmac
from hashlib import sha256
from http import HTTPStatus
from typing import ClassVar

from tuneloop.kit.errors import TuneloopError

TOLERANCE_SECONDS = 300


class BadSignature(TuneloopError):
    status = HTTPStatus.BAD_REQUEST
    code: ClassVar[str] = "bad_signature"


def verify(body: bytes, header: str, secret: str, *, at: int) -> None:
    """Raises BadSignature unless the body was signed with the secret within five minutes of `at`, before or after."""
    parts = [part.partition("=") for part in header.split(",")]
    moments = [value for name, _, value in parts if name.strip() == "t"]
    if len(moments) != 1 or not moments[0].isdigit():
        raise BadSignature("the webhook has no signature")
    if abs(at - int(moments[0])) > TOLERANCE_SECONDS:
        raise BadSignature("the webhook was signed too long ago; check this machine's clock")
    expected = hmac.new(secret.encode(), f"{moments[0]}.".encode() + body, sha256).hexdigest()
    given = [value for name, _, value in parts if name.strip() == "v1"]
    if not any(hmac.compare_digest(expected, each) for each in given):
        raise BadSignature("the webhook's signature is not of its endpoint's secret")
