"""The two kinds of engine: our serving host, and any OpenAI-compatible server with adapters (vLLM, llama-server)."""

from math import exp
from typing import Any

import httpx

from tuneloop.gateway.engine import Ask, Certainty, EngineRequest, refusal
from tuneloop.gateway.errors import EngineFailed
from tuneloop.gateway.routes import Route
from tuneloop.gateway.upstream_schemas import Extra, TokenEntry
from tuneloop.kit.errors import TuneloopError
from tuneloop.registry.contract import Contract, Template
from tuneloop.registry.templates import Message, render

ALTERNATIVES = 5


class LocalEngine:
    """Our serving host: it knows the version by its digest, renders the prompt itself and tells how sure it is."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url.rstrip('/')}/v1/chat/completions"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def request(self, route: Route, ask: Ask) -> EngineRequest:
        body = _decoding(route, ask) | {"messages": [message.model_dump() for message in ask.messages]}
        if ask.logprobs:
            body |= {"logprobs": True, "top_logprobs": ask.top_logprobs}
        return EngineRequest(self._url, self._headers, body)

    def certainty(self, route: Route, tokens: list[TokenEntry], extra: Extra | None) -> Certainty:
        del tokens
        if extra is None or extra.digest != route.digest:
            raise EngineFailed("the serving host answered from another version; the answer was withheld")
        return Certainty(extra.confidence, extra.margin)

    def refusal(self, response: httpx.Response, content: bytes) -> TuneloopError:
        return refusal(response, content)


class OpenAIServer:
    """A server that holds the base and our adapters, each under its digest: names repeat between agencies.

    As in evaluation, the plain template goes out as rendered text, a chat template as messages for the server's own.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")

    def request(self, route: Route, ask: Ask) -> EngineRequest:
        contract = route.contract
        body = _decoding(route, ask)
        if contract.decoding.stop:
            body["stop"] = list(contract.decoding.stop)
        alternatives = max(ask.top_logprobs, ALTERNATIVES)
        if contract.template is Template.PLAIN:
            prompt = render(contract, ask.messages)
            text = "".join(piece.text for piece in prompt.prefix + prompt.suffix)
            body |= {"prompt": text, "logprobs": alternatives} | _choice(contract, space=" ")
            return EngineRequest(f"{self._url}/v1/completions", {}, body)
        turns = [message.model_dump() for message in _with_contract(contract, ask.messages)]
        body |= {"messages": turns, "logprobs": True, "top_logprobs": alternatives} | _choice(contract)
        return EngineRequest(f"{self._url}/v1/chat/completions", {}, body)

    def certainty(self, route: Route, tokens: list[TokenEntry], extra: Extra | None) -> Certainty:
        del route, extra
        return certainty_of(tokens)

    def refusal(self, response: httpx.Response, content: bytes) -> TuneloopError:
        return refusal(response, content)


def certainty_of(tokens: list[TokenEntry]) -> Certainty:
    """Geometric mean of the token probabilities, and the distance to the second best at the closest token."""
    if not tokens:
        return Certainty()
    mean = sum(token.logprob for token in tokens) / len(tokens)
    return Certainty(exp(mean), min(_margin(token) for token in tokens))


def opening_of(contract: Contract) -> str:
    """The system message of a contract."""
    return "\n\n".join(filter(None, (contract.system_prompt, contract.facts)))


def _decoding(route: Route, ask: Ask) -> dict[str, Any]:
    body: dict[str, Any] = {"model": route.digest, "max_tokens": ask.max_tokens, "temperature": ask.temperature}
    return body if ask.seed is None else body | {"seed": ask.seed}


def _choice(contract: Contract, space: str = "") -> dict[str, Any]:
    if not contract.labels:
        return {}
    return {"structured_outputs": {"choice": [f"{space}{label}" for label in contract.labels]}}


def _with_contract(contract: Contract, messages: tuple[Message, ...]) -> list[Message]:
    """The contract's opening once, however often the caller repeats its system prompt."""
    own = contract.system_prompt.strip()
    turns = [message for message in messages if not (message.role == "system" and message.content.strip() == own)]
    return [Message(role="system", content=opening_of(contract)), *turns]


def _margin(token: TokenEntry) -> float:
    probabilities = sorted((exp(each["logprob"]) for each in token.top_logprobs), reverse=True)
    return probabilities[0] - probabilities[1] if len(probabilities) > 1 else 0.0
