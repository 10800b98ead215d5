"""Serve the emulator in a thread of this process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tuneloop_local.emulators.in_thread import in_thread
from tuneloop_local.emulators.slack.app import Emulator, create_emulator

THREADS = 64
"""A click waits in one of them for the app, which calls the API meanwhile."""


@contextmanager
def running(emulator: Emulator) -> Iterator[Emulator]:
    """Ready to answer; stopped when the block ends."""

    def hang_up() -> None:
        for connection in list(emulator.delivery.sockets):
            connection.outgoing.put(None)

    executor = ThreadPoolExecutor(THREADS)
    with in_thread(create_emulator(emulator), emulator.port, executor=executor, before_stop=hang_up):
        yield emulator
