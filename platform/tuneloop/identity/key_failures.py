"""Addresses that send keys which nobody has: they wait. A key that is known is never refused for what others send."""

import time
from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from tuneloop.identity.sign_in_limits import Patience, too_many

PATIENCE = Patience(free=30, longest=60)
FORGOTTEN_AFTER_SECONDS = 3600.0
ADDRESSES = 10_000


class Failures(NamedTuple):
    number: int
    last: float


class KeyFailures:
    """One per process, in memory of bounded size: an unknown key tells nothing, it only costs a look-up."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, Failures] = OrderedDict()
        self._lock = Lock()

    def require_patience(self, address: str) -> None:
        """Raises TooManyAttempts."""
        found = self._of.get(address)
        if found is not None:
            left = found.last + PATIENCE.seconds(found.number) - time.monotonic()
            if left > 0:
                raise too_many(int(left) + 1)

    def count(self, address: str) -> None:
        moment = time.monotonic()
        with self._lock:
            before = self._of.pop(address, Failures(0, moment))
            forgotten = moment - before.last > FORGOTTEN_AFTER_SECONDS
            self._of[address] = Failures(1 if forgotten else before.number + 1, moment)
            if len(self._of) > ADDRESSES:
                self._of.popitem(last=False)
