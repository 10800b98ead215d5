"""Serve the emulator in a thread of this process."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
from granian.constants import Interfaces
from granian.server.embed import Server

from tuneloop_local.emulators.slack.app import Emulator, create_emulator

THREADS = 64
"""A click waits in one of them for the app, which calls the API meanwhile."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(emulator: Emulator) -> Iterator[Emulator]:
    """Ready to answer; stopped when the block ends."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))
    server = Server(create_emulator(emulator), address="127.0.0.1", port=emulator.port, interface=Interfaces.ASGI)
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve(),), daemon=True)
    thread.start()
    with httpx.Client(transport=httpx.HTTPTransport(retries=8), base_url=emulator.url) as http:
        http.get("/state")
    try:
        yield emulator
    finally:
        for connection in list(emulator.delivery.sockets):
            connection.outgoing.put(None)
        loop.call_soon_threadsafe(server.stop)
        thread.join(10)
        loop.close()
