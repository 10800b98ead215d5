"""The serving process: one base in memory, its engine thread, and HTTP on loopback or a unix socket."""

import asyncio
import signal
from dataclasses import dataclass
from pathlib import Path

from granian.constants import Interfaces
from granian.server.embed import Server

from tuneloop.kit.logging import SERVER_LOGS
from tuneloop.registry.contract import CONTEXT_TOKENS
from tuneloop_workers.serving.app import create_app
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.engine_thread import Dispatcher
from tuneloop_workers.serving.versions import ArtifactSource


@dataclass(frozen=True)
class HostSettings:
    """Where to listen and how much to hold. `unix_socket` takes the place of address and port.

    `queue` is the most unfinished requests; one more is answered 429. `context_tokens` is shared by all of them.
    """

    address: str = "127.0.0.1"
    port: int = 8100
    unix_socket: Path | None = None
    token: str = ""
    threads: int = 1
    context_tokens: int = CONTEXT_TOKENS
    sequences: int = 16
    adapters: int = 64
    queue: int = 256


def serve(settings: HostSettings, source: ArtifactSource, base_sha256: str) -> None:
    """Serves until SIGTERM or SIGINT. Raises CorruptArtifact when the base can't be loaded."""
    base = source.path(base_sha256)
    dispatcher = Dispatcher(
        lambda: Engine(
            base,
            threads=settings.threads,
            context_tokens=settings.context_tokens,
            sequences=settings.sequences,
            adapters=settings.adapters,
        ),
        limit=settings.queue,
    )
    dispatcher.start()
    try:
        asyncio.run(_listen(settings, dispatcher, source, base_sha256))
    finally:
        dispatcher.stop()


async def _listen(settings: HostSettings, dispatcher: Dispatcher, source: ArtifactSource, base_sha256: str) -> None:
    server = Server(
        create_app(dispatcher, source, base_sha256=base_sha256, token=settings.token),
        address=settings.address,
        port=settings.port,
        uds=settings.unix_socket,
        interface=Interfaces.ASGI,
        websockets=False,
        log_dictconfig=SERVER_LOGS,
    )
    for stop in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(stop, server.stop)
    await server.serve()
