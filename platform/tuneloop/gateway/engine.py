"""One way to ask any engine that speaks OpenAI's protocol; what differs between engines is an `Upstream`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import httpx
import orjson
from pydantic import ValidationError

from tuneloop.gateway.errors import Busy, EngineFailed, EngineTimeout, EngineUnavailable, InvalidRequest
from tuneloop.gateway.routes import Route
from tuneloop.gateway.upstream_schemas import Body, Extra, TokenEntry, Usage
from tuneloop.kit.errors import CorruptArtifact, TuneloopError
from tuneloop.registry.templates import Message

_DONE = "[DONE]"
TIMEOUT = httpx.Timeout(60.0, connect=3.0, pool=10.0)
LONGEST_SECONDS = 300.0
"""For a whole answer, however it drips."""


@dataclass(frozen=True)
class Ask:
    """What the caller wants to know, with the contract's defaults filled in."""

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    seed: int | None = None
    logprobs: bool = False
    top_logprobs: int = 0


class EngineRequest(NamedTuple):
    url: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class Certainty(NamedTuple):
    """`confidence` and `margin` in 0..1; None where the engine does not tell."""

    confidence: float | None = None
    margin: float | None = None


class Delta(NamedTuple):
    text: str
    tokens: list[TokenEntry]


class EngineReply(NamedTuple):
    """A complete answer; the space that some engines begin with is not part of it."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    tokens: list[TokenEntry]
    certainty: Certainty


class Upstream(Protocol):
    """How to put a question to one kind of engine, and how sure its answer is."""

    def request(self, route: Route, ask: Ask) -> EngineRequest: ...

    def certainty(self, route: Route, tokens: list[TokenEntry], extra: Extra | None) -> Certainty:
        """Raises EngineFailed when the answer is not from the version that was asked."""
        ...

    def refusal(self, response: httpx.Response, content: bytes) -> TuneloopError:
        """An engine's error as ours."""
        ...


async def ask_whole(http: httpx.AsyncClient, upstream: Upstream, route: Route, ask: Ask) -> EngineReply:
    """The answer in one piece.

    Raises:
        InvalidRequest, Busy, EngineUnavailable, EngineFailed, EngineTimeout: what went wrong and what to do.
    """
    deadline = asyncio.get_running_loop().time() + LONGEST_SECONDS
    async with _post(http, upstream, upstream.request(route, ask), deadline, stream=False) as response:
        async with asyncio.timeout_at(deadline):
            content = await response.aread()
    body = _parse(content)
    if not body.choices:
        raise EngineFailed("the engine gave no answer; try again")
    choice, usage = body.choices[0], body.usage or Usage()
    certainty = upstream.certainty(route, choice.tokens, body.tuneloop)
    return EngineReply(
        choice.text.lstrip(),
        choice.finish_reason or "stop",
        usage.prompt_tokens,
        usage.completion_tokens,
        choice.tokens,
        certainty,
    )


async def ask_piecewise(
    http: httpx.AsyncClient, upstream: Upstream, route: Route, ask: Ask
) -> AsyncGenerator[Delta | EngineReply, None]:
    """The answer as it grows, then the whole of it. Raises what `ask_whole` raises."""
    text, finish_reason, tokens = "", "stop", list[TokenEntry]()
    usage, extra, complete = Usage(), None, False
    deadline = asyncio.get_running_loop().time() + LONGEST_SECONDS
    async with _post(http, upstream, upstream.request(route, ask), deadline, stream=True) as response:
        lines = response.aiter_lines()
        while (line := await _next(lines, deadline)) is not None:
            if not line.startswith("data:"):
                continue
            data = line.removeprefix("data:").strip()
            if data == _DONE:
                complete = True
                break
            chunk = _parse(data)
            usage, extra = chunk.usage or usage, chunk.tuneloop or extra
            for choice in chunk.choices[:1]:
                finish_reason = choice.finish_reason or finish_reason
                piece = choice.text if text else choice.text.lstrip()
                text += piece
                tokens += choice.tokens
                if piece or choice.tokens:
                    yield Delta(piece, choice.tokens)
    if not complete:
        raise EngineFailed("the engine stopped in the middle of its answer; try again")
    certainty = upstream.certainty(route, tokens, extra)
    counted = usage.completion_tokens or len(tokens)
    yield EngineReply(text, finish_reason, usage.prompt_tokens, counted, tokens, certainty)


@asynccontextmanager
async def _post(
    http: httpx.AsyncClient, upstream: Upstream, request: EngineRequest, deadline: float, *, stream: bool
) -> AsyncIterator[httpx.Response]:
    """Raises what `ask_whole` raises, also while the answer is read. `deadline`: of the loop's clock."""
    body = {**request.body, "stream": True, "stream_options": {"include_usage": True}} if stream else request.body
    headers = {"Content-Type": "application/json", **request.headers}
    try:
        asked = http.build_request("POST", request.url, content=orjson.dumps(body), headers=headers)
        async with asyncio.timeout_at(deadline):
            response = await http.send(asked, stream=True)
        try:
            if not response.is_success:
                async with asyncio.timeout_at(deadline):
                    content = await response.aread()
                raise upstream.refusal(response, content)
            yield response
        finally:
            await response.aclose()
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise EngineUnavailable("the engine is not reachable; try again shortly", retry_after_seconds=2) from error
    except (httpx.TimeoutException, TimeoutError) as error:
        raise EngineTimeout("the engine took too long; try again or ask for fewer tokens") from error
    except httpx.HTTPError as error:
        raise EngineFailed("the connection to the engine broke; try again") from error


async def _next(lines: AsyncIterator[str], deadline: float) -> str | None:
    """None at the end."""
    async with asyncio.timeout_at(deadline):
        return await anext(lines, None)


def refusal(response: httpx.Response, content: bytes) -> TuneloopError:
    """Only what the caller can change is passed on in the engine's words."""
    wait = response.headers.get("retry-after", "1")
    error = error_of(content)
    about_the_request = response.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
    if about_the_request and error.get("code") != CorruptArtifact.code:
        return InvalidRequest(str(error.get("message") or "the engine refused the request"))
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return Busy("the engine's queue is full; try again shortly", retry_after_seconds=wait)
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return EngineUnavailable("the engine is not ready; try again shortly", retry_after_seconds=wait)
    if response.status_code == httpx.codes.GATEWAY_TIMEOUT:
        return EngineTimeout("the engine took too long; try again or ask for fewer tokens")
    return EngineFailed(f"the engine answered with status {response.status_code}; try again")


def error_of(content: bytes) -> dict[str, Any]:
    """OpenAI's error object; empty where the answer is none."""
    try:
        return Body.model_validate_json(content).error or {}
    except ValidationError:
        return {}


def _parse(data: str | bytes) -> Body:
    try:
        body = Body.model_validate_json(data)
    except ValidationError as error:
        raise EngineFailed("the engine's answer is not in OpenAI's format; check the upstream URL") from error
    if body.error is not None:
        raise EngineFailed("the engine failed in the middle of its answer; try again")
    return body
