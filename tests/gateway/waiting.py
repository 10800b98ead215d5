"""Wait for what happens in the background, without guessing how long it takes."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T | None], *, within: float = 20.0) -> T:
    """The first result of `look` that is neither None nor False."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        Event().wait(0.02)
