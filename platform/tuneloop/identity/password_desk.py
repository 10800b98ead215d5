"""Where passwords are checked: few at a time, few in line, and after too many failures not at once."""

import os
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from tuneloop.identity.sign_in_limits import Attempt, count_failure, note_success, require_patience
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotAuthenticated, TooManyAttempts

T = TypeVar("T")


class PasswordDesk:
    """One per process. A hash takes much time and memory on purpose, so no request but a sign-in ever waits for one.

    `at_once`: hashes at the same time; `in_line`: those that wait for their turn, of one address `from_one`.
    """

    def __init__(self, *, at_once: int | None = None, in_line: int = 32, from_one: int = 8) -> None:
        self._at_once = at_once or max(1, (os.cpu_count() or 1) // 2)
        self._in_line = in_line
        self._from_one = from_one
        self._threads = CapacityLimiter(self._at_once)
        self._inside: Counter[str] = Counter()

    async def check(self, database: Database, attempt: Attempt, work: Callable[[], T]) -> T:
        """What `work` gives, which looks at a password (or a code) and raises NotAuthenticated where it is wrong.

        Raises:
            TooManyAttempts: after too many failures, or while too many others are in line.
        """
        if self._inside[attempt.address] >= self._from_one or self._inside.total() >= self._at_once + self._in_line:
            raise TooManyAttempts("many people sign in just now; try again in a few seconds", retry_after_seconds=3)
        self._inside[attempt.address] += 1
        try:
            return await run_sync(_checked, database, attempt, work, limiter=self._threads)
        finally:
            self._inside[attempt.address] -= 1
            if not self._inside[attempt.address]:
                del self._inside[attempt.address]


def _checked(database: Database, attempt: Attempt, work: Callable[[], T]) -> T:
    with database.all_agencies() as session:
        require_patience(session, attempt)
    try:
        result = work()
    except NotAuthenticated:
        with database.all_agencies() as session:
            count_failure(session, attempt)
        raise
    with database.all_agencies() as session:
        note_success(session, attempt)
    return result
