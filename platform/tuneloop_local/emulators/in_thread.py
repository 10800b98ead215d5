"""An emulator served by a thread of this process."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

import httpx
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar

HOST = "127.0.0.1"


@contextmanager
def in_thread(
    app: Litestar,
    port: int,
    *,
    executor: Executor | None = None,
    before_stop: Callable[[], None] = lambda: None,
) -> Iterator[str]:
    """Its URL, once it answers; stopped when the block ends. `executor` runs its synchronous handlers."""
    loop = asyncio.new_event_loop()
    if executor is not None:
        loop.set_default_executor(executor)
    server = Server(app, address=HOST, port=port, interface=Interfaces.ASGI)
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),), daemon=True)
    thread.start()
    url = f"http://{HOST}:{port}"
    with httpx.Client(transport=httpx.HTTPTransport(retries=8), base_url=url, timeout=60) as http:
        http.get("/")
    try:
        yield url
    finally:
        before_stop()
        loop.call_soon_threadsafe(server.stop)
        thread.join(10)
        loop.close()
