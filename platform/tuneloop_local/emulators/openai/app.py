"""The emulator as a web application: chat completions and models of one account."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from secrets import token_hex
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Stream

from tuneloop.kit.clock import now
from tuneloop_local.emulators.in_thread import in_thread
from tuneloop_local.emulators.openai.account import Account, HostedModel
from tuneloop_local.emulators.openai.completions import Completion, tokens_of
from tuneloop_local.emulators.openai.refusals import RefusedError, require_sound

DEPRECATIONS = "https://platform.openai.com/docs/deprecations"
MINUTE = timedelta(minutes=1)
Http = Request[Any, Any, State]


@get("/", media_type="text/plain")
async def root() -> str:
    return "A local stand-in for OpenAI's API.\n"


@post("/v1/chat/completions", status_code=200)
async def chat_completions(request: Http, state: State) -> Response[Any] | Stream:
    account: Account = state.account
    began = time.monotonic()
    _require_key(account, request)
    limits = _take(account)
    asked: dict[str, Any] = await request.json()
    account.asked.append(asked)
    if account.failure is not None:
        status, error = account.failure
        return Response({"error": error}, status_code=status)
    model = _find(account, str(asked.get("model")))
    require_sound(asked, reasoning=model.reasoning)
    _require_room(model, asked)
    completion = Completion(model, asked)
    headers = {
        "openai-processing-ms": str(int((time.monotonic() - began) * 1000)),
        "openai-version": "2020-10-01",
        "x-request-id": f"req_{token_hex(16)}",
        **limits,
    }
    if asked.get("stream"):
        return Stream(completion.chunks(), media_type="text/event-stream", headers=headers)
    return Response(completion.whole(), headers=headers)


@get("/v1/models")
async def list_models(request: Http, state: State) -> dict[str, Any]:
    account: Account = state.account
    _require_key(account, request)
    return {"object": "list", "data": [_shown(each) for each in account.models.values() if not account.is_dark(each)]}


@get("/v1/models/{name:str}")
async def read_model(request: Http, state: State, name: FromPath[str]) -> dict[str, Any]:
    account: Account = state.account
    _require_key(account, request)
    return _shown(_find(account, name))


def create_emulator(account: Account) -> Litestar:
    return Litestar(
        route_handlers=[root, chat_completions, list_models, read_model],
        state=State({"account": account}),
        exception_handlers={RefusedError: lambda _request, error: error.response()},
        logging_config=None,
        openapi_config=None,
    )


@contextmanager
def running(account: Account, port: int) -> Iterator[str]:
    """The service's URL, up to and with /v1, while the block lasts."""
    with in_thread(create_emulator(account), port) as url:
        yield f"{url}/v1"


def _require_key(account: Account, request: Http) -> None:
    key = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if not key:
        raise RefusedError(401, "No API key was sent; send it as a bearer token.")
    if key not in account.keys:
        shown = f"{key[:3]}****{key[-4:]}"
        raise RefusedError(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")


def _take(account: Account) -> dict[str, str]:
    """Count a request; answers the headers about limits. Raises RefusedError beyond them, or without credit."""
    if not account.credit:
        raise RefusedError(
            429, "The quota of this account is used up.", kind="insufficient_quota", code="insufficient_quota"
        )
    most = account.requests_per_minute
    if most is None:
        return {}
    with account.lock:
        at = now()
        account.used = [each for each in account.used if each > at - MINUTE]
        left = most - len(account.used)
        wait = max(1, round((account.used[0] + MINUTE - at).total_seconds())) if account.used else 1
        headers = {
            "x-ratelimit-limit-requests": str(most),
            "x-ratelimit-remaining-requests": str(max(0, left - 1)),
            "x-ratelimit-reset-requests": f"{wait}s",
        }
        if left <= 0:
            raise RefusedError(
                429,
                f"Rate limit reached: {most} requests per minute. Try again in {wait}s.",
                kind="requests",
                code="rate_limit_exceeded",
                headers={**headers, "retry-after": str(wait), "retry-after-ms": str(wait * 1000)},
            )
        account.used.append(at)
    return headers


def _find(account: Account, name: str) -> HostedModel:
    model = account.models.get(name)
    if model is None:
        message = f"The model `{name}` does not exist or this key has no access to it."
        raise RefusedError(404, message, code="model_not_found")
    if account.is_dark(model):
        raise RefusedError(404, f"The model `{name}` has been deprecated: {DEPRECATIONS}", code="model_not_found")
    return model


def _require_room(model: HostedModel, asked: dict[str, Any]) -> None:
    used = sum(len(tokens_of(str(message.get("content")))) for message in asked["messages"])
    if used > model.context_tokens:
        message = f"The context of this model is {model.context_tokens} tokens; the messages have {used}."
        raise RefusedError(400, message, param="messages", code="context_length_exceeded")


def _shown(model: HostedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "shutdown_date": model.shutdown_date.isoformat() if model.shutdown_date else None,
    }
