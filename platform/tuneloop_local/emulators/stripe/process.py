"""Run the emulator as a process of an installation."""

import asyncio
import signal
import threading

import httpx
import structlog
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar

from tuneloop.kit.logging import SERVER_LOGS
from tuneloop.kit.settings import Settings
from tuneloop_local.emulators.stripe.app import create_emulator
from tuneloop_local.emulators.stripe.clock import advance
from tuneloop_local.emulators.stripe.delivery import deliver_due
from tuneloop_local.emulators.stripe.request import StripeRequest
from tuneloop_local.emulators.stripe.spec import VERSION, Specification, specification
from tuneloop_local.emulators.stripe.store import KEY, World

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5


def serve(settings: Settings) -> None:
    """Until SIGTERM. What it knows is kept in the data folder."""
    host, port = "127.0.0.1", settings.stripe_emulator_port
    spec = specification(settings.data_dir / "cache" / f"stripe-{VERSION}.json")
    world = World(settings.data_dir / "stripe-emulator.json")
    _open_platform(spec, world, settings)
    over = threading.Event()
    ticker = threading.Thread(target=_tick, args=(spec, world, f"http://{host}:{port}", over), daemon=True)
    ticker.start()
    try:
        asyncio.run(_listen(create_emulator(spec, world), host, port))
    finally:
        over.set()
        ticker.join()


def _open_platform(spec: Specification, world: World, settings: Settings) -> None:
    """The account of the platform's key, whose webhooks about connected accounts go to us."""
    key = settings.stripe_platform_key.get_secret_value()
    if not key.startswith(KEY) or world.with_key(key) is not None:
        return
    account = world.open_account("Platform")
    account.key = key
    StripeRequest(world, account, spec, "", {}, {}).make(
        "webhook_endpoint",
        "we",
        url=f"{settings.site_url}/webhooks/stripe/connect",
        enabled_events=["*"],
        status="enabled",
        metadata={"_connect": "true"},
        secret=settings.stripe_webhook_secret.get_secret_value(),
    )
    world.save()


async def _listen(app: Litestar, host: str, port: int) -> None:
    server = Server(
        app, address=host, port=port, interface=Interfaces.ASGI, websockets=False, log_dictconfig=SERVER_LOGS
    )
    for stop in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(stop, server.stop)
    await server.serve()


def _tick(spec: Specification, world: World, url: str, over: threading.Event) -> None:
    """Time passes, webhooks go out."""
    with httpx.Client(timeout=10) as http:
        while not over.wait(TICK_SECONDS):
            try:
                with world.lock:
                    for account in list(world.accounts.values()):
                        advance(StripeRequest(world, account, spec, url, {}, {}), account.now)
                if deliver_due(world, http):
                    with world.lock:
                        world.save()
            except Exception:  # the thread's edge: the next tick may succeed
                log.exception("emulator_tick_failed")
