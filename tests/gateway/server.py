"""The gateway as an HTTP server in a thread of the test process."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar
from litestar.datastructures import State

from tests.gateway.own_database import OwnDatabase
from tests.gateway.waiting import eventually
from tests.support.ports import free_port
from tuneloop.gateway.app import gateway_handlers, gateway_lifespan
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.settings import Settings
from tuneloop.web.probes import readyz


@contextmanager
def serve(app: Litestar, *, port: int | None = None) -> Iterator[str]:
    port = port or free_port()
    loop = asyncio.new_event_loop()
    server = Server(app, port=port, interface=Interfaces.ASGI, log_enabled=False)

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve())

    thread = Thread(target=work)
    thread.start()
    try:
        eventually(lambda: _accepts(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(20)
        loop.close()


@contextmanager
def serving(settings: Settings, own: OwnDatabase) -> Iterator[str]:
    """The gateway by itself, with connections of its own to the test's database."""
    engine = make_engine(own.url)
    app = Litestar(
        route_handlers=[*gateway_handlers, readyz],
        state=State({"settings": settings, "database": Database(engine)}),
        lifespan=[gateway_lifespan],
        logging_config=None,
    )
    try:
        with serve(app) as url:
            yield url
    finally:
        engine.dispose()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True
