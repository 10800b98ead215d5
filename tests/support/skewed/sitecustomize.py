"""A process whose clock is wrong by SKEW_SECONDS: Python imports this first from a folder on its path."""

import datetime
import os
import time

_SKEW = float(os.environ["SKEW_SECONDS"])
_right_time, _right_datetime = time.time, datetime.datetime


class _WrongDatetime(datetime.datetime):
    """Differs from the right one in what it takes for now; what it returns are plain datetimes."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return _right_datetime.now(tz) + datetime.timedelta(seconds=_SKEW)


time.time = lambda: _right_time() + _SKEW
datetime.datetime = _WrongDatetime  # type: ignore[misc]
