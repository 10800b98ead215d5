"""One question from arrival to log row: pinned to a version, admitted, answered, recorded."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import structlog

from tuneloop.gateway.ab_assignment import Assignment
from tuneloop.gateway.admission import Admission, Admissions
from tuneloop.gateway.engine import Ask, Delta, EngineReply, Upstream, ask_piecewise, ask_whole
from tuneloop.gateway.errors import EngineFailed, EngineUnavailable
from tuneloop.gateway.external import ExternalServer, ServiceRefuses
from tuneloop.gateway.metrics import LATENCY, NOT_KEPT, REQUESTS
from tuneloop.gateway.not_kept import NotKept
from tuneloop.gateway.prediction_logger import Recorder
from tuneloop.gateway.reply_label import label_said
from tuneloop.gateway.responses import Completion
from tuneloop.gateway.route_cache import RouteKeeper
from tuneloop.gateway.routes import External, Route
from tuneloop.gateway.schemas import ChatRequest
from tuneloop.gateway.service_problems import ServiceProblems
from tuneloop.gateway.shadows import ShadowQuestion, Shadows
from tuneloop.gateway.upstream import LocalEngine, OpenAIServer
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Unavailable
from tuneloop.kit.ids import new_id
from tuneloop.kit.outgoing.guard import AddressRefused
from tuneloop.tables import Prediction

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ExternalCalls:
    """What external versions are asked with. They have slots of their own: a slow service holds up no engine."""

    http: httpx.AsyncClient
    admission: Admission
    problems: ServiceProblems
    secret_key: str

    def key(self, external: External) -> str | None:
        """Raises ServiceRefuses when nobody here can open it."""
        if external.sealed_key is None:
            return None
        try:
            return Vault(self.secret_key).open(external.sealed_key)
        except Unavailable as error:
            raise ServiceRefuses(error.message) from error


@dataclass(frozen=True)
class CompletionCall:
    """A question and the version that answers it, whatever the aliases do meanwhile. `began`: monotonic seconds.

    `fallback` asks production instead, where the version is a candidate under test and its engine fails. `shadow` asks
    a candidate too, once this one has answered.
    """

    completion: Completion
    ask: Ask
    user: str | None
    include_usage: bool
    at: datetime
    began: float
    not_kept: NotKept | None = None
    assignment: Assignment | None = None
    fallback: "CompletionCall | None" = None
    shadow: "CompletionCall | None" = None

    @classmethod
    def of(cls, asked: ChatRequest, named: Route, not_kept: NotKept | None = None) -> "CompletionCall":
        """With an A/B test behind the name, the same person always gets the same arm; a nameless one any."""
        moment, answer_id = now(), new_id()
        route, assignment = named.assigned(asked.person or str(answer_id), at=moment)
        call = replace(cls._to(route, asked, answer_id, moment, assignment), not_kept=not_kept)
        if route is named:
            return replace(call, shadow=cls._shadow(named, asked, call))
        return replace(call, fallback=replace(cls._to(named, asked, answer_id, moment, None), not_kept=not_kept))

    @classmethod
    def _shadow(cls, named: Route, asked: ChatRequest, call: "CompletionCall") -> "CompletionCall | None":
        """What is not kept of an answer is not put to another version either."""
        if named.shadow is None or named.candidate is None or call.not_kept is not None:
            return None
        if not named.shadow.takes(call.completion.id, at=call.at):
            return None
        return cls._to(named.candidate, asked, call.completion.id, call.at, None)

    @classmethod
    def _to(
        cls, route: Route, asked: ChatRequest, answer_id: UUID, moment: datetime, assignment: Assignment | None
    ) -> "CompletionCall":
        decoding = route.contract.decoding
        ask = Ask(
            messages=tuple(message.plain() for message in asked.messages),
            max_tokens=asked.max_completion_tokens or asked.max_tokens or decoding.max_tokens,
            temperature=decoding.temperature if asked.temperature is None else asked.temperature,
            seed=asked.seed,
            logprobs=asked.logprobs,
            top_logprobs=asked.top_logprobs,
        )
        completion = Completion(answer_id, int(moment.timestamp()), route, asked.logprobs)
        usage = asked.stream_options.include_usage
        return cls(completion, ask, asked.person, usage, moment, time.monotonic(), assignment=assignment)

    @property
    def route(self) -> Route:
        return self.completion.route


@dataclass(frozen=True)
class Gateway:
    """The parts that a request needs; made once per process, on its event loop."""

    database: Database
    keeper: RouteKeeper
    recorder: Recorder
    admissions: Admissions
    http: httpx.AsyncClient
    local: LocalEngine
    external: ExternalCalls
    shadows: Shadows

    async def whole(self, call: CompletionCall) -> dict[str, Any]:
        try:
            return await self._whole(call)
        except (EngineUnavailable, EngineFailed) as error:
            return await self._whole(_fallback(call, error))

    async def events(self, call: CompletionCall) -> AsyncGenerator[bytes, None]:
        """Server-sent events. Nothing is yielded before the engine has begun to answer."""
        begun = False
        try:
            async with aclosing(self._events(call)) as events:
                async for event in events:
                    begun = True
                    yield event
        except (EngineUnavailable, EngineFailed) as error:
            if begun:
                raise
            async with aclosing(self._events(_fallback(call, error))) as events:
                async for event in events:
                    yield event

    async def _whole(self, call: CompletionCall) -> dict[str, Any]:
        with self._noting(call.route):
            async with self._admission(call.route).slot(call.route.agency_id):
                reply = await self._reply(call)
        self._record(call, reply)
        return call.completion.whole(reply)

    async def _reply(self, call: CompletionCall) -> EngineReply:
        return await ask_whole(self._http(call.route), self._upstream(call.route), call.route, call.ask)

    async def _events(self, call: CompletionCall) -> AsyncGenerator[bytes, None]:
        opening, route = call.completion.opening(), call.route
        async with self._admission(route).slot(route.agency_id):
            with self._noting(route):
                pieces = ask_piecewise(self._http(route), self._upstream(route), route, call.ask)
            async with aclosing(pieces):
                while (piece := await self._noted(route, pieces)) is not None:
                    if isinstance(piece, Delta):
                        yield opening + call.completion.piece(piece)
                    else:
                        self._record(call, piece)
                        yield opening + call.completion.closing(piece, include_usage=call.include_usage)
                    opening = b""

    async def _noted(
        self, route: Route, pieces: AsyncGenerator[Delta | EngineReply, None]
    ) -> Delta | EngineReply | None:
        with self._noting(route):
            return await anext(pieces, None)

    @contextmanager
    def _noting(self, route: Route) -> Iterator[None]:
        """What keeps an external version from answering goes to the agency, and to the caller only that it does."""
        try:
            yield
        except (ServiceRefuses, EngineUnavailable, AddressRefused) as error:
            if route.external is None:
                raise
            problem = error.problem if isinstance(error, ServiceRefuses) else error.message
            self.external.problems.note(route.agency_id, route.external, problem)
            if isinstance(error, AddressRefused):
                raise ServiceRefuses(problem) from error
            raise

    def _http(self, route: Route) -> httpx.AsyncClient:
        return self.external.http if route.external else self.http

    def _admission(self, route: Route) -> Admission:
        return self.external.admission if route.external else self.admissions.at(route.upstream_url)

    def _upstream(self, route: Route) -> Upstream:
        if route.external is not None:
            return ExternalServer(self.external.key(route.external))
        return OpenAIServer(route.upstream_url) if route.upstream_url else self.local

    def _record(self, call: CompletionCall, reply: EngineReply) -> None:
        seconds = time.monotonic() - call.began
        LATENCY.observe(seconds)
        REQUESTS.labels("200").inc()
        if call.not_kept is not None:
            NOT_KEPT.labels(call.not_kept).inc()
            return
        route, messages = call.route, call.ask.messages
        answer = label_said(route.contract, reply.text) if route.external else reply.text
        row = Prediction(
            id=call.completion.id,
            agency_id=route.agency_id,
            client_id=route.client_id,
            model_id=route.model_id,
            version_id=route.version_id,
            digest=route.digest,
            at=call.at,
            messages=[message.model_dump() for message in messages],
            answer=answer,
            confidence=reply.certainty.confidence,
            margin=reply.certainty.margin,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            latency_ms=seconds * 1000,
            end_user=call.user,
            ab_test_id=call.assignment.ab_test_id if call.assignment else None,
            arm=call.assignment.arm if call.assignment else None,
        )
        self.recorder.record(row, size=1000 + len(reply.text) + sum(len(message.content) for message in messages))
        if call.shadow is not None and route.shadow is not None:
            question = ShadowQuestion(route.shadow.shadow_test_id, row.id, route.agency_id, route.client_id)
            self.shadows.offer(question, self._admission(call.shadow.route), partial(self._reply, call.shadow))


def _fallback(call: CompletionCall, error: EngineUnavailable | EngineFailed) -> CompletionCall:
    """The same question to production; raises the error where there is no test."""
    if call.fallback is None:
        raise error
    log.warning("candidate_under_test_failed", version=call.route.name, error=error)
    return call.fallback
