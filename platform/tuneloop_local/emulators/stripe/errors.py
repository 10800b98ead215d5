"""Stripe's errors, in Stripe's shape."""

from typing import Any


class ApiError(Exception):
    """https://docs.stripe.com/api/errors"""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = "invalid_request_error", **fields: str | None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.fields = fields

    def body(self) -> dict[str, Any]:
        given = {name: value for name, value in self.fields.items() if value is not None}
        return {"error": {"type": self.kind, "message": self.message, **given}}


def missing(kind: str, object_id: str, *, param: str = "id") -> ApiError:
    return ApiError(f"No such {kind}: '{object_id}'", status=404, code="resource_missing", param=param)


def not_modelled(what: str) -> ApiError:
    """Ours, not Stripe's: better no answer than a guessed one."""
    return ApiError(
        f"The emulator does not model {what}; try it against Stripe's own test mode.", status=501, code="not_modelled"
    )


def needs_action() -> ApiError:
    """What paying an invoice answers while its customer isn't there to authenticate the payment."""
    return ApiError(
        "This payment requires additional user action before it can be completed successfully. Payment can be "
        "completed using the PaymentIntent associated with the invoice.",
        status=402,
        kind="card_error",
        code="invoice_payment_intent_requires_action",
    )


def declined(decline_code: str = "generic_decline") -> ApiError:
    return ApiError(
        "Your card was declined.", status=402, kind="card_error", code="card_declined", decline_code=decline_code
    )
