"""HTTP: Stripe's webhooks."""

from litestar import Controller, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.request_bodies import DEFAULT_BYTES
from tuneloop_billing.webhooks.service import receive, receive_connected


class WebhookController(Controller):
    path = "/webhooks/stripe"
    tags = ("billing",)
    include_in_schema = False

    @post("/connect", public=True, status_code=200, request_max_body_size=DEFAULT_BYTES)
    async def take_connected(self, request: HttpRequest) -> dict[str, bool]:
        """An event of an account that is connected to the platform."""
        body, header = await request.body(), request.headers.get("stripe-signature", "")
        database, settings = database_of(request), settings_of(request)
        new = await sync_to_thread(receive_connected, database, settings, body=body, header=header)
        return {"new": new}

    @post("/{token:str}", public=True, status_code=200, request_max_body_size=DEFAULT_BYTES)
    async def take(self, request: HttpRequest, token: FromPath[str]) -> dict[str, bool]:
        """An event of an agency's own account."""
        body, header = await request.body(), request.headers.get("stripe-signature", "")
        database, settings = database_of(request), settings_of(request)
        new = await sync_to_thread(receive, database, settings, token=token, body=body, header=header)
        return {"new": new}
