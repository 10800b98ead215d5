"""The serving host's HTTP side: OpenAI's chat protocol for versions named by their digest, on loopback."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody
from litestar.response import Stream

from tuneloop.gateway.error_answers import answer_domain_error, answer_http_error, answer_unexpected
from tuneloop.gateway.errors import error_body
from tuneloop.kit.errors import CorruptArtifact, NotAuthenticated, TuneloopError, Unavailable
from tuneloop.kit.security_headers import security_headers
from tuneloop_workers.serving.answer import Delta, EngineAnswer
from tuneloop_workers.serving.engine_thread import Dispatcher, Event
from tuneloop_workers.serving.servable import Servable
from tuneloop_workers.serving.versions import ArtifactSource, Versions, threadsafe
from tuneloop_workers.serving.wire import ChatRequest, Completion, LoadRequest, failure

HostRequest = Request[Any, Any, State]


def create_app(dispatcher: Dispatcher, source: ArtifactSource, *, base_sha256: str, token: str = "") -> Litestar:
    """The application over an engine that its caller starts and stops.

    `token`: what callers must send as bearer token; empty for a host that only its own machine can reach.
    """

    @asynccontextmanager
    async def versions(app: Litestar) -> AsyncIterator[None]:
        app.state.versions = Versions(source, dispatcher, base_sha256)
        yield

    return Litestar(
        route_handlers=[chat_completions, list_models, load, healthz, readyz],
        lifespan=[versions],
        state=State({"dispatcher": dispatcher, "token": token}),
        guards=[knows_the_token],
        exception_handlers={
            TuneloopError: answer_domain_error,
            HTTPException: answer_http_error,
            Exception: answer_unexpected,
        },
        before_send=[security_headers(tls=False)],
        openapi_config=None,
        logging_config=None,
    )


def knows_the_token(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    token = connection.app.state.token
    sent = connection.headers.get("authorization", "").removeprefix("Bearer ")
    if token and not handler.opt.get("public") and not hmac.compare_digest(sent.encode(), token.encode()):
        raise NotAuthenticated("the serving host wants its token; set TUNELOOP_SERVE_TOKEN alike on both sides")


@post("/v1/chat/completions", status_code=200)
async def chat_completions(data: JSONBody[ChatRequest], request: HostRequest, state: State) -> Response[Any]:
    versions: Versions = state.versions
    conversation = Conversation(state.dispatcher, await versions.get(data.model), data)
    try:
        first = await conversation.first(request)
    except CorruptArtifact:
        versions.forget(data.model)
        raise
    completion = Completion(data)
    if isinstance(first, EngineAnswer) and not data.stream:
        return Response(completion.whole(first))
    return Stream(_stream(conversation, completion, first), media_type="text/event-stream")


@get("/v1/models")
async def list_models(state: State) -> dict[str, Any]:
    models = [{"id": digest, "object": "model", "owned_by": "tuneloop"} for digest in state.versions.digests]
    return {"object": "list", "data": models}


@post("/internal/load", status_code=200)
async def load(data: JSONBody[LoadRequest], state: State) -> dict[str, str]:
    await state.versions.load(data.digest)
    return {"digest": data.digest, "status": "ready", "engine": state.dispatcher.identity}


@get("/healthz", public=True, media_type=MediaType.TEXT)
async def healthz(state: State) -> str:
    if not state.dispatcher.alive:
        raise Unavailable("the engine has stopped; restart this host")
    return "ok"


@get("/readyz", public=True)
async def readyz(state: State) -> dict[str, Any]:
    if not state.dispatcher.alive:
        raise Unavailable("the engine has stopped; restart this host")
    return {"engine": state.dispatcher.identity, "versions": len(state.versions.digests)}


class Conversation:
    """Events of one request, in the event loop; leaving it early cancels the request."""

    def __init__(self, dispatcher: Dispatcher, version: Servable, request: ChatRequest) -> None:
        self._dispatcher = dispatcher
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._question = dispatcher.ask(
            version,
            request.messages,
            request.options(version),
            threadsafe(self._events.put_nowait),
            stream=request.stream,
        )

    async def first(self, request: HostRequest) -> Event:
        """The first event, if the caller waits for it. Raises the error that ends the request."""
        event = asyncio.ensure_future(self._events.get())
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((event, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not event.done():
                event.cancel()
                self.leave()
        if not event.done():
            raise Unavailable("the caller has left")
        if isinstance(outcome := event.result(), TuneloopError):
            raise outcome
        return outcome

    async def next(self) -> Event:
        return await self._events.get()

    def leave(self) -> None:
        self._dispatcher.cancel(self._question)


async def _stream(conversation: Conversation, completion: Completion, first: Event) -> AsyncIterator[bytes]:
    event = first
    try:
        yield completion.opening()
        while isinstance(event, Delta):
            yield completion.piece(event.text, event.tokens)
            event = await conversation.next()
        if isinstance(event, EngineAnswer):
            if event.probabilities is not None:
                yield completion.label(event)
            yield completion.closing(event)
        elif event:
            yield failure(error_body(event.status, event.code, event.message))
    finally:
        conversation.leave()


async def _disconnected(request: HostRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
