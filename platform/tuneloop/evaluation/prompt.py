"""One prompt, answered by several versions at once. Nothing of it is logged, so it changes no measurement."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from sqlmodel import Session

from tuneloop.gateway.engine import TIMEOUT, Ask, Upstream, ask_whole
from tuneloop.gateway.routes import Route
from tuneloop.gateway.upstream import LocalEngine, OpenAIServer
from tuneloop.kit.settings import Settings
from tuneloop.registry.contract import Contract
from tuneloop.registry.service import find_version, full_name
from tuneloop.registry.templates import Message
from tuneloop.tables import BaseModel, RegisteredModel


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
    name = full_name(session, model)
    base = session.get_one(BaseModel, model.base_id)
    found = [find_version(session, model, version) for version in versions]
    return [
        Route(
            name=f"{name}@v{version.number}",
            owner=name.partition("/")[0],
            agency_id=model.agency_id,
            client_id=model.client_id,
            model_id=model.id,
            version_id=version.id,
            digest=version.digest,
            contract=Contract.model_validate(version.manifest["contract"]),
            upstream_url=base.upstream_url,
            created_at=version.created_at,
        )
        for version in found
    ]


async def ask_all(
    settings: Settings, routes: Sequence[Route], *, asked: Sequence[str], messages: Sequence[Message]
) -> list[PromptAnswer]:
    """Answers in the order of the routes, each by its version's own contract and decoding.

    Raises:
        InvalidRequest, Busy, EngineUnavailable, EngineFailed, EngineTimeout: a version gave none.
    """
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
        return list(
            await asyncio.gather(
                *(
                    _ask(http, _upstream(settings, route), route, name, tuple(messages))
                    for route, name in zip(routes, asked, strict=True)
                )
            )
        )


def _upstream(settings: Settings, route: Route) -> Upstream:
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
