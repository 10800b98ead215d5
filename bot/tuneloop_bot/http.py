"""Slack over HTTP, in the web process: events and clicks."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from anyio.to_thread import run_sync
from litestar import Request, Response, post
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler
from slack_bolt import BoltRequest, BoltResponse

log = structlog.get_logger(__name__)

BIGGEST = 1 << 20


def events_handler(dispatch: Callable[[BoltRequest], BoltResponse]) -> ControllerRouterHandler:
    @post("/slack/events", public=True, include_in_schema=False, status_code=200, request_max_body_size=BIGGEST)
    async def events(request: Request[Any, Any, State]) -> Response[str]:
        body = (await request.body()).decode()
        headers: dict[str, str | Sequence[str]] = dict(request.headers.items())
        answer = await run_sync(dispatch, BoltRequest(body=body, headers=headers))
        kind = answer.first_headers().get("content-type", "text/plain")
        return Response(answer.body, status_code=answer.status, media_type=kind)

    return events
