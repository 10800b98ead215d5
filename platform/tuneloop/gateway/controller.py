"""HTTP: OpenAI-compatible chat completions and model list."""

from typing import Any

from litestar import Response, get, post
from litestar.background_tasks import BackgroundTask
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from tuneloop.gateway.auth import GatewayRequest, gateway_of
from tuneloop.gateway.client_parameters import IGNORED_HEADER, without_effect
from tuneloop.gateway.errors import ModelNotFound
from tuneloop.gateway.not_kept import STORED_HEADER, reason_not_kept
from tuneloop.gateway.responses import model_object
from tuneloop.gateway.schemas import ChatRequest
from tuneloop.gateway.service import CompletionCall
from tuneloop.gateway.streaming import Relay, while_connected
from tuneloop.predictions.completion_ids import completion_id

MAX_BODY = 1 << 20


@post("/chat/completions", public=True, status_code=200, request_max_body_size=MAX_BODY, tags=["gateway"])
async def chat_completions(request: GatewayRequest, data: JSONBody[ChatRequest]) -> Response[Any]:
    """Answer a conversation, whole or as server-sent events, with the version that the name stands for just now."""
    gateway = gateway_of(request)
    route = await gateway.keeper.route(request.auth, data.model)
    if route is None:
        raise ModelNotFound(data.model)
    ignored = without_effect(data, route.contract.task)
    call = CompletionCall.of(data, route, reason_not_kept(data, request.headers))
    stored = "true" if call.not_kept is None else "false"
    headers = {"X-Request-Id": completion_id(call.completion.id), STORED_HEADER: stored}
    if ignored:
        headers[IGNORED_HEADER] = ", ".join(ignored)
    if not data.stream:
        return Response(await while_connected(request, gateway.whole(call)), headers=headers)
    relay = Relay(gateway.events(call))
    try:
        await while_connected(request, relay.begin())
    except BaseException:
        await relay.close()
        raise
    return Stream(
        relay,
        media_type="text/event-stream",
        headers=headers,
        background=BackgroundTask(relay.close),
    )


@get("/models", public=True, tags=["gateway"])
async def list_models(request: GatewayRequest) -> dict[str, Any]:
    """Names you may call."""
    visible = sorted(gateway_of(request).keeper.table.visible(request.auth), key=lambda named: named.name)
    return {"object": "list", "data": [model_object(each.name, each.route) for each in visible]}


@get("/models/{name:path}", public=True, tags=["gateway"])
async def read_model(request: GatewayRequest, name: FromPath[str]) -> dict[str, Any]:
    """One name you may call."""
    wanted = name.removeprefix("/")
    route = await gateway_of(request).keeper.route(request.auth, wanted)
    if route is None:
        raise ModelNotFound(wanted)
    return model_object(wanted, route)
