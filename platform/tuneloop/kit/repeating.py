"""Work that is done again and again beside a block."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(work: Callable[[], object], *, every: float, at_once: bool = False) -> Iterator[None]:
    """Do the work every so many seconds while the block runs, in a thread; what it raises ends that."""
    over = threading.Event()

    def go_on() -> None:
        if at_once:
            work()
        while not over.wait(every):
            work()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
