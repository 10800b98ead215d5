"""The two kinds of engine: our serving host, and any OpenAI-compatible server with adapters (vLLM, llama-server)."""

from math import exp

from tuneloop.gateway.engine import Ask, Certainty, EngineRequest, Extra, TokenEntry
from tuneloop.gateway.errors import EngineFailed
from tuneloop.gateway.routes import Route
from tuneloop.registry.contract import Task
from tuneloop.registry.templates import Message


class LocalEngine:
    """Our serving host: it knows the version by its digest, renders the prompt itself and tells how sure it is."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url.rstrip('/')}/v1/chat/completions"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def request(self, route: Route, ask: Ask) -> EngineRequest:
        return EngineRequest(self._url, self._headers, _body(route, ask, ask.messages))

    def certainty(self, route: Route, tokens: list[TokenEntry], extra: Extra | None) -> Certainty:
        del tokens
        if extra is None or extra.digest != route.digest:
            raise EngineFailed("the serving host answered from another version; the answer was withheld")
        return Certainty(extra.confidence, extra.margin)


class OpenAIServer:
    """A server that holds the base and our adapters, each under its digest: names repeat between agencies.

    The prompt is built from messages by the server's own chat template, the contract's system prompt first.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/').removesuffix('/v1')}/v1/chat/completions"

    def request(self, route: Route, ask: Ask) -> EngineRequest:
        contract = route.contract
        system = contract.system_prompt + (f"\n\n{contract.facts}" if contract.facts else "")
        own = contract.system_prompt.strip()
        turns = tuple(m for m in ask.messages if not (m.role == "system" and m.content.strip() == own))
        body = _body(route, ask, (Message(role="system", content=system), *turns)) | {"logprobs": True}
        if contract.labels:
            body["structured_outputs"] = {"choice": list(contract.labels)}
        if contract.decoding.stop:
            body["stop"] = list(contract.decoding.stop)
        return EngineRequest(self._url, {}, body)

    def certainty(self, route: Route, tokens: list[TokenEntry], extra: Extra | None) -> Certainty:
        """A label is as sure as all its tokens together, a text as its average token (geometric mean)."""
        del extra
        if not tokens:
            return Certainty()
        total = sum(token.logprob for token in tokens)
        return Certainty(exp(total if route.contract.task is Task.CLASSIFY else total / len(tokens)))


def _body(route: Route, ask: Ask, messages: tuple[Message, ...]) -> dict[str, object]:
    body: dict[str, object] = {
        "model": route.digest,
        "messages": [message.model_dump() for message in messages],
        "max_tokens": ask.max_tokens,
        "temperature": ask.temperature,
    }
    if ask.seed is not None:
        body["seed"] = ask.seed
    if ask.logprobs:
        body["logprobs"] = True
        if ask.top_logprobs:
            body["top_logprobs"] = ask.top_logprobs
    return body
