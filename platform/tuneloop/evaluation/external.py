"""An external version answers many conversations, as the gateway would have it answer them."""

import asyncio
from collections.abc import Callable, Sequence

import httpx

from tuneloop.evaluation.given import Conversation, Given
from tuneloop.evaluation.service import UNANSWERED
from tuneloop.gateway.engine import TIMEOUT, Ask, ask_whole
from tuneloop.gateway.errors import Busy, EngineFailed, EngineTimeout, EngineUnavailable, InvalidRequest
from tuneloop.gateway.external import ExternalServer, ServiceRefuses
from tuneloop.gateway.reply_label import label_said
from tuneloop.gateway.routes import Route
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import InvalidInput, Unavailable
from tuneloop.kit.jobs.retries import back_off, wished_pause
from tuneloop.kit.outgoing.clients import guarded_async_client
from tuneloop.kit.outgoing.guard import Guard
from tuneloop.kit.settings import Settings

Progress = Callable[[int, int], None]
"""Called with the number of answers so far and the number wanted; what it raises ends the run."""

AT_ONCE = 8
PATIENCE_SECONDS = 600.0
"""How long one question is asked again while the service is busy or away."""

_MAY_PASS = (Busy, EngineUnavailable, EngineTimeout, EngineFailed)


class ServiceAway(Unavailable):
    """The service of an external version was busy or away for too long."""

    code = "service_away"


def ask_service(
    settings: Settings, route: Route, conversations: Sequence[Conversation], progress: Progress
) -> list[Given]:
    """One answer for each conversation, in their order. What the service refuses for what it is stays unanswered.

    Raises:
        InvalidInput: the service refuses us, with what it said. ServiceAway: it did not answer in time.
    """
    assert route.external is not None
    sealed = route.external.sealed_key
    server = ExternalServer(Vault(settings.secret_key.get_secret_value()).open(sealed) if sealed else None)
    return asyncio.run(_ask_all(settings, server, route, conversations, progress))


async def _ask_all(
    settings: Settings,
    server: ExternalServer,
    route: Route,
    conversations: Sequence[Conversation],
    progress: Progress,
) -> list[Given]:
    slots, done = asyncio.Semaphore(AT_ONCE), 0

    async def ask(conversation: Conversation) -> Given:
        nonlocal done
        async with slots:
            given = await _ask_patiently(http, server, route, conversation)
        done += 1
        progress(done, len(conversations))
        return given

    limits = httpx.Limits(max_connections=AT_ONCE)
    async with guarded_async_client(Guard.of(settings), timeout=TIMEOUT, limits=limits) as http:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(conversation)) for conversation in conversations]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _ask_patiently(
    http: httpx.AsyncClient, server: ExternalServer, route: Route, conversation: Conversation
) -> Given:
    loop, failures = asyncio.get_running_loop(), 0
    deadline = loop.time() + PATIENCE_SECONDS
    while True:
        try:
            return await _ask(http, server, route, conversation)
        except InvalidRequest as refused:
            return Given("", None, None, f"{UNANSWERED}{refused.message}")
        except ServiceRefuses as refused:
            raise InvalidInput(
                f"the service of {route.name} can't be asked: {refused.problem}; give it another key with "
                "'tuneloop version change-external', or look at the account there; if the model is gone for good, "
                "enter its last day with --ends-on"
            ) from refused
        except _MAY_PASS as away:
            failures += 1
            pause = max(back_off(failures), wished_pause(away)).total_seconds()
            if loop.time() + pause > deadline:
                raise ServiceAway(f"the service of {route.name} does not answer: {away.message}") from away
            await asyncio.sleep(pause)


async def _ask(http: httpx.AsyncClient, server: ExternalServer, route: Route, conversation: Conversation) -> Given:
    decoding = route.contract.decoding
    asked = Ask(tuple(conversation), max_tokens=decoding.max_tokens, temperature=decoding.temperature)
    reply = await ask_whole(http, server, route, asked)
    return Given(
        label_said(route.contract, reply.text),
        reply.certainty.confidence,
        reply.certainty.margin,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
    )
