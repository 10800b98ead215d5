"""The gateway as an HTTP server in a thread of the test process."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from granian.server.embed import Server
from litestar import Litestar
from litestar.datastructures import State

from tuneloop.gateway.app import gateway_handlers, gateway_lifespan
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings


@contextmanager
def serve(settings: Settings, database: Database) -> Iterator[str]:
    up = Event()
    app = Litestar(
        route_handlers=gateway_handlers,
        state=State({"settings": settings, "database": database}),
        lifespan=[gateway_lifespan],
        on_startup=[up.set],
    )
    port = _free_port()
    loop = asyncio.new_event_loop()
    server = Server(app, port=port, interface="asgi", log_enabled=False)

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve())

    thread = Thread(target=work)
    thread.start()
    try:
        assert up.wait(20), "the gateway did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(20)
        loop.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
