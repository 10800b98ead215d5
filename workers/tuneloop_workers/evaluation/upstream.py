"""Evaluation against an OpenAI-compatible server: vLLM, llama-server, or our own serving host."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from http import HTTPStatus
from itertools import count
from typing import Any, Self

import httpx
import numpy as np
from pydantic import BaseModel, ValidationError

from tuneloop.evaluation.given import Conversation
from tuneloop.kit.errors import InvalidInput, Unavailable
from tuneloop.kit.jobs.retries import back_off, wished_pause
from tuneloop.registry.contract import Contract, Task, Template
from tuneloop.registry.templates import Message, render
from tuneloop_workers.evaluation.runner import Progress, unanswered
from tuneloop_workers.serving.answer import Alternative, EngineAnswer, TokenLogprob

_ALTERNATIVES = 5
PATIENCE_SECONDS = 600.0
"""How long one question is asked again while the server is away: hours of answers are not thrown away for a minute."""
_ABOUT_THE_QUESTION = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)


class _Alternative(BaseModel):
    token: str
    logprob: float


class _Token(_Alternative):
    top_logprobs: list[_Alternative] = []


class _ChatLogprobs(BaseModel):
    content: list[_Token] | None = None


class _TextLogprobs(BaseModel):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message = _Message()
    text: str = ""
    finish_reason: str | None = None
    logprobs: _ChatLogprobs | _TextLogprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel):
    choices: list[_Choice]
    usage: _Usage = _Usage()


class UpstreamRunner:
    """Asks a server for every answer, `concurrency` at a time.

    Chat templates go to /v1/chat/completions, where the server must apply the same template; the plain template goes
    to /v1/completions as rendered text. Labels are enforced by `structured_outputs`; the server gives no probability
    of every label, so confidence is the geometric mean of the answer's token probabilities.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        contract: Contract,
        *,
        api_key: str | None = None,
        concurrency: int = 8,
        transport: httpx.BaseTransport | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._patience = patience
        self._closing = threading.Event()
        self._model = model
        self._contract = contract
        self._concurrency = concurrency
        self._client = httpx.Client(
            base_url=base_url.rstrip("/").removesuffix("/v1"),
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(120, connect=10),
            transport=transport or httpx.HTTPTransport(retries=2),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closing.set()
        self._client.close()

    def answer(self, conversations: Sequence[Conversation], progress: Progress) -> list[EngineAnswer]:
        """A request that the server refuses for what it asks is unanswered, with the server's own words.

        A server that is away is asked again for as long as `PATIENCE_SECONDS`, when it says (Retry-After) or after a
        while. Raises Unavailable when it stays away, InvalidInput when it refuses all of several requests, or who asks.
        """
        self._closing.clear()
        with ThreadPoolExecutor(self._concurrency) as pool:
            waiting = [pool.submit(self._ask_patiently, conversation) for conversation in conversations]
            left = set(waiting)
            try:
                while left:
                    done, left = wait(left, timeout=1, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                    progress(len(waiting) - len(left), len(waiting))
            finally:
                self._closing.set()
                pool.shutdown(wait=False, cancel_futures=True)
        answers = [future.result() for future in waiting]
        if len(answers) > 1 and all(answer.problem for answer in answers):
            raise InvalidInput("no question was answered: the upstream server refuses each of them; look at its log")
        return answers

    def _ask_patiently(self, conversation: Conversation) -> EngineAnswer:
        deadline = time.monotonic() + self._patience
        for failures in count(1):
            try:
                return self._ask(conversation)
            except Unavailable as away:
                pause = max(back_off(failures), wished_pause(away)).total_seconds()
                if time.monotonic() + pause > deadline or self._closing.wait(pause):
                    raise
        raise AssertionError

    def _ask(self, conversation: Conversation) -> EngineAnswer:
        plain = self._contract.template is Template.PLAIN
        body = self._shared() | (self._as_text(conversation) if plain else self._as_chat(conversation))
        started = time.perf_counter()
        try:
            response = self._client.post("/v1/completions" if plain else "/v1/chat/completions", json=body)
        except httpx.HTTPError as problem:
            raise Unavailable(f"the upstream server {self._client.base_url} does not answer: {problem}") from problem
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status_code == 429:
            raise Unavailable(
                f"the upstream server answers {response.status_code}; try again when it has recovered",
                retry_after_seconds=response.headers.get("Retry-After"),
            )
        if response.status_code in _ABOUT_THE_QUESTION:
            return unanswered(f"the upstream server refuses the request: {response.text[:500]}")
        if response.is_error:
            raise InvalidInput(
                f"the upstream server refuses the request with status {response.status_code}; look at its log"
            )
        try:
            completion = _Completion.model_validate_json(response.content)
        except ValidationError as problem:
            raise Unavailable("the upstream server's answer is not an OpenAI completion") from problem
        return _answer(completion, (time.perf_counter() - started) * 1000)

    def _shared(self) -> dict[str, Any]:
        decoding = self._contract.decoding
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": decoding.max_tokens,
            "temperature": decoding.temperature,
        }
        if decoding.stop:
            body["stop"] = list(decoding.stop)
        if self._contract.task is Task.CLASSIFY:
            space = " " if self._contract.template is Template.PLAIN else ""
            body["structured_outputs"] = {"choice": [f"{space}{label}" for label in self._contract.labels]}
        return body

    def _as_text(self, conversation: Conversation) -> dict[str, Any]:
        prompt = render(self._contract, conversation)
        return {"prompt": "".join(piece.text for piece in prompt.prefix + prompt.suffix), "logprobs": _ALTERNATIVES}

    def _as_chat(self, conversation: Conversation) -> dict[str, Any]:
        opening = "\n\n".join(filter(None, (self._contract.system_prompt, self._contract.facts)))
        turns = [Message(role="system", content=opening), *conversation]
        return {
            "messages": [turn.model_dump() for turn in turns],
            "logprobs": True,
            "top_logprobs": _ALTERNATIVES,
        }


def _answer(completion: _Completion, latency_ms: float) -> EngineAnswer:
    choice = completion.choices[0]
    tokens = _tokens(choice.logprobs)
    logprobs = [token.logprob for token in tokens] or [0.0]
    return EngineAnswer(
        text=(choice.message.content or choice.text).strip(),
        confidence=float(np.exp(np.mean(logprobs))) if tokens else None,
        margin=min(map(_margin, tokens), default=None),
        probabilities=None,
        tokens=tokens,
        finish_reason="length" if choice.finish_reason == "length" else "stop",
        prompt_tokens=completion.usage.prompt_tokens,
        completion_tokens=completion.usage.completion_tokens,
        latency_ms=latency_ms,
        min_logprob=min(logprobs),
    )


def _tokens(logprobs: _ChatLogprobs | _TextLogprobs | None) -> tuple[TokenLogprob, ...]:
    """Servers name tokens by text; the id, which they don't give, is -1."""
    if isinstance(logprobs, _ChatLogprobs):
        return tuple(
            TokenLogprob(
                -1, each.token, each.logprob, tuple(Alternative(top.token, top.logprob) for top in each.top_logprobs)
            )
            for each in logprobs.content or ()
        )
    if logprobs is None:
        return ()
    tops = logprobs.top_logprobs or [{} for _ in logprobs.tokens]
    return tuple(
        TokenLogprob(-1, text, logprob, tuple(Alternative(*pair) for pair in top.items()))
        for text, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, tops, strict=True)
    )


def _margin(token: TokenLogprob) -> float:
    probabilities = sorted((float(np.exp(each.logprob)) for each in token.alternatives), reverse=True)
    return probabilities[0] - probabilities[1] if len(probabilities) > 1 else 0.0
