"""The values that charts show: measured points, markers, distributions, losses, counts."""

from datetime import datetime
from typing import NamedTuple


class Point(NamedTuple):
    """A share between 0 and 1 measured on `n` items, with its 95 % interval; `group` breaks the line (a version)."""

    at: datetime
    value: float
    low: float
    high: float
    n: int
    group: str = ""
    alarm: bool = False


class Marker(NamedTuple):
    """Something that happened: `kind` is deployment, alert or resolution."""

    at: datetime
    kind: str
    text: str
    label: str = ""


class Distribution(NamedTuple):
    """Shares of `n` answers in equal bins from 0 to 1."""

    label: str
    shares: list[float]
    n: int


class Loss(NamedTuple):
    step: int
    value: float
    series: str
