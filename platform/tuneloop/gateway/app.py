"""The gateway as a part of the web application: its routes, and what must run while they are served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import structlog
from litestar import Litestar, Router
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from tuneloop.gateway.admission import Admission, Admissions
from tuneloop.gateway.auth import authenticated
from tuneloop.gateway.controller import chat_completions, list_models, read_model
from tuneloop.gateway.engine import TIMEOUT
from tuneloop.gateway.error_answers import answer_domain_error, answer_http_error, answer_unexpected
from tuneloop.gateway.feedback import report
from tuneloop.gateway.journal import Journal
from tuneloop.gateway.kept_routes import KeptRoutes
from tuneloop.gateway.prediction_logger import Recorder
from tuneloop.gateway.route_cache import RouteKeeper
from tuneloop.gateway.service import ExternalCalls, Gateway
from tuneloop.gateway.service_problems import ServiceProblems
from tuneloop.gateway.shadows import Shadows
from tuneloop.gateway.upstream import LocalEngine
from tuneloop.kit.db import Database
from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.outgoing.clients import guarded_async_client
from tuneloop.kit.outgoing.guard import Guard
from tuneloop.kit.settings import Settings

log = structlog.get_logger(__name__)

FOLDER = "gateway"
"""In the data folder: answers that are not stored yet, and the last route table."""
SERVICE_TIMEOUT = httpx.Timeout(60.0, connect=5.0, pool=10.0)
LONGEST_ANSWER = 8 << 20
"""Bytes of a service's answer, with the log-probabilities of each token."""

gateway_handlers: list[ControllerRouterHandler] = [
    Router(
        "/v1",
        route_handlers=[chat_completions, list_models, read_model, report],
        guards=[authenticated],
        exception_handlers={
            TuneloopError: answer_domain_error,
            HTTPException: answer_http_error,
            Exception: answer_unexpected,
        },
    )
]


@asynccontextmanager
async def gateway_lifespan(app: Litestar) -> AsyncIterator[None]:
    """Runs the gateway while the application is up. Reads `settings` and `database` from the application's state."""
    settings, database = app.state.settings, app.state.database
    assert isinstance(settings, Settings)
    assert isinstance(database, Database)
    async with create_gateway(settings, database) as gateway:
        app.state.gateway = gateway
        yield


def gateway_answers(app: Litestar) -> bool:
    """Its gateway knows keys and routes, so that it needs no database."""
    gateway = app.state.get("gateway")
    return isinstance(gateway, Gateway) and gateway.keeper.table.knows_keys


@asynccontextmanager
async def create_gateway(settings: Settings, database: Database) -> AsyncIterator[Gateway]:
    """A gateway with its route table loaded and its background work running; flushes its log at the end."""
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=TIMEOUT, limits=limits, trust_env=False))
        folder = settings.data_dir.resolve() / FOLDER
        recorder = Recorder(database, Journal(folder))
        recorder.take_over()
        stack.push_async_callback(recorder.close)
        keeper = RouteKeeper(database, KeptRoutes(folder))
        await keeper.begin()
        for work in (keeper.run, keeper.listen, recorder.run):
            stack.push_async_callback(_stop, asyncio.create_task(_forever(work)))
        local = LocalEngine(settings.serve_url, settings.serve_token.get_secret_value())
        outgoing = await stack.enter_async_context(
            guarded_async_client(Guard.of(settings), timeout=SERVICE_TIMEOUT, limits=limits, most_bytes=LONGEST_ANSWER)
        )
        problems = ServiceProblems(database)
        stack.push_async_callback(problems.close)
        external = ExternalCalls(
            outgoing, Admission(slots=256, per_agency=64), problems, settings.secret_key.get_secret_value()
        )
        shadows = Shadows(database, recorder)
        stack.push_async_callback(shadows.close)
        yield Gateway(database, keeper, recorder, Admissions(), http, local, external, shadows)


async def _forever(work: Callable[[], Awaitable[None]]) -> None:
    """The edge of a background task: an unexpected error is logged and the work begins anew."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("gateway_work_failed", work=work.__qualname__)
        await asyncio.sleep(1)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
