"""One prompt, answered by several versions at once. Nothing of it is logged, so it changes no measurement."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from sqlmodel import Session

from tuneloop.gateway.engine import TIMEOUT, Ask, Upstream, ask_whole
from tuneloop.gateway.external import ExternalServer
from tuneloop.gateway.routes import Route, route_of
from tuneloop.gateway.upstream import LocalEngine, OpenAIServer
from tuneloop.kit.crypto import Vault
from tuneloop.kit.outgoing.clients import guarded_async_client
from tuneloop.kit.outgoing.guard import Guard
from tuneloop.kit.settings import Settings
from tuneloop.registry.service import find_version
from tuneloop.registry.templates import Message
from tuneloop.tables import RegisteredModel


@dataclass(frozen=True)
class PromptAnswer:
    """`asked` is what the caller called the version; `confidence` and `margin` in 0..1, None where not told."""

    asked: str
    version: str
    digest: str
    text: str
    confidence: float | None
    margin: float | None
    finish_reason: str
    latency_ms: float


def routes_of(session: Session, *, model: RegisteredModel, versions: Sequence[str]) -> list[Route]:
    """Where each version answers.

    Raises:
        NotFound: there is no such version; "candidate" before a first retrain, for instance.
    """
    found = [find_version(session, model, version) for version in versions]
    return [route_of(session, model, version) for version in found]


async def ask_all(
    settings: Settings, routes: Sequence[Route], *, asked: Sequence[str], messages: Sequence[Message]
) -> list[PromptAnswer]:
    """Answers in the order of the routes, each by its version's own contract and decoding.

    Raises:
        InvalidRequest, Busy, EngineUnavailable, EngineFailed, EngineTimeout: a version gave none.
    """
    async with (
        httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http,
        guarded_async_client(Guard.of(settings), timeout=TIMEOUT, limits=httpx.Limits()) as outgoing,
    ):
        return list(
            await asyncio.gather(
                *(
                    _ask(outgoing if route.external else http, _upstream(settings, route), route, name, tuple(messages))
                    for route, name in zip(routes, asked, strict=True)
                )
            )
        )


def _upstream(settings: Settings, route: Route) -> Upstream:
    if route.external is not None:
        sealed = route.external.sealed_key
        return ExternalServer(Vault(settings.secret_key.get_secret_value()).open(sealed) if sealed else None)
    if route.upstream_url:
        return OpenAIServer(route.upstream_url)
    return LocalEngine(settings.serve_url, settings.serve_token.get_secret_value())


async def _ask(
    http: httpx.AsyncClient, upstream: Upstream, route: Route, asked: str, messages: tuple[Message, ...]
) -> PromptAnswer:
    decoding = route.contract.decoding
    began = time.monotonic()
    reply = await ask_whole(
        http, upstream, route, Ask(messages, max_tokens=decoding.max_tokens, temperature=decoding.temperature)
    )
    return PromptAnswer(
        asked=asked,
        version=route.name,
        digest=route.digest,
        text=reply.text,
        confidence=reply.certainty.confidence,
        margin=reply.certainty.margin,
        finish_reason=reply.finish_reason,
        latency_ms=(time.monotonic() - began) * 1000,
    )
