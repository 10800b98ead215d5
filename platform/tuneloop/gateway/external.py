"""A service that hosts the whole model: OpenAI, Azure, Together, Fireworks, or a vLLM or Ollama of the client's."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from tuneloop.gateway.engine import Ask, Certainty, EngineRequest, error_of
from tuneloop.gateway.errors import Busy, EngineFailed, EngineTimeout, EngineUnavailable, InvalidRequest
from tuneloop.gateway.routes import Route
from tuneloop.gateway.upstream import ALTERNATIVES, certainty_of, opening_of
from tuneloop.gateway.upstream_schemas import Extra, TokenEntry
from tuneloop.kit.errors import TuneloopError
from tuneloop.registry.templates import Message

_NEWER_LIMIT = re.compile(r"(^|\.)(openai\.com|azure\.com)$")
"""Hosts whose newer models know `max_completion_tokens` only; other services know `max_tokens` only."""

_LONGEST_WAIT = 3_600


class ServiceRefuses(EngineFailed):
    """It will not answer before somebody of the agency does something; `problem` says what it said, for them alone."""

    code = "service_refuses"
    transient = False

    def __init__(self, problem: str) -> None:
        super().__init__("the model behind this name can't be reached at its service; its operators have been told")
        self.problem = problem


class ExternalServer:
    """The conversation goes out as the application would have sent it to the service itself.

    The contract's own system prompt is added only where the caller sends none.
    """

    def __init__(self, key: str | None) -> None:
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def request(self, route: Route, ask: Ask) -> EngineRequest:
        external = route.external
        assert external is not None
        host = urlsplit(external.url).hostname or ""
        body: dict[str, Any] = {
            "model": external.model,
            "messages": [message.model_dump() for message in _conversation(route, ask.messages)],
            "temperature": ask.temperature,
            "max_completion_tokens" if _NEWER_LIMIT.search(host) else "max_tokens": ask.max_tokens,
        }
        if ask.seed is not None:
            body["seed"] = ask.seed
        if route.contract.decoding.stop:
            body["stop"] = list(route.contract.decoding.stop)
        if external.gives_confidence:
            body |= {"logprobs": True, "top_logprobs": max(ask.top_logprobs, ALTERNATIVES)}
        return EngineRequest(f"{external.url}/chat/completions", self._headers, body)

    def certainty(self, route: Route, tokens: list[TokenEntry], extra: Extra | None) -> Certainty:
        """None of both where the service tells no log-probabilities."""
        del route, extra
        return certainty_of(tokens)

    def refusal(self, response: httpx.Response, content: bytes) -> TuneloopError:
        """What the caller can change is the caller's; key, account and model are the agency's."""
        status, error = response.status_code, error_of(content)
        said = str(error.get("message") or "").strip()[:500]
        problem = f"it answers {status}{f': {said}' if said else ''}"
        if status in (httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE, httpx.codes.UNPROCESSABLE_ENTITY):
            return InvalidRequest(said or "the service refuses the request", param=error.get("param"))
        if status == httpx.codes.TOO_MANY_REQUESTS and error.get("code") != "insufficient_quota":
            return Busy("the model's service is busy; try again shortly", retry_after_seconds=_wait(response))
        if status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.GATEWAY_TIMEOUT):
            return EngineTimeout("the model's service took too long; try again or ask for fewer tokens")
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            message = "the model's service has a failure; try again shortly"
            return EngineUnavailable(message, retry_after_seconds=_wait(response))
        return ServiceRefuses(problem)


def _conversation(route: Route, messages: tuple[Message, ...]) -> list[Message]:
    opening = opening_of(route.contract)
    if not opening or any(message.role == "system" for message in messages):
        return list(messages)
    return [Message(role="system", content=opening), *messages]


def _wait(response: httpx.Response) -> str:
    """Seconds, as far as it names a sensible number of them."""
    named = response.headers.get("retry-after", "")
    return named if named.isascii() and named.isdigit() and int(named) <= _LONGEST_WAIT else "1"
