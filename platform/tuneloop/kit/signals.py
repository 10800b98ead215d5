"""SIGTERM and SIGINT as an event that a process waits for."""

import signal
import threading
from collections.abc import Callable


def stop_on_signals(also: Callable[[], None] = lambda: None) -> threading.Event:
    """An event that SIGTERM and SIGINT set, after calling `also`; main thread only."""
    stop = threading.Event()

    def request(_signal: int, _frame: object) -> None:
        also()
        stop.set()

    signal.signal(signal.SIGTERM, request)
    signal.signal(signal.SIGINT, request)
    return stop
