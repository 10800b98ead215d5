"""Labels of a plain group, by what they say."""

from itertools import repeat
from typing import Any

from tuneloop.stats.evidence import Group, Label
from tuneloop.stats.sequential import DisagreementTest


def plain(fixed: int, broken: int, neither: int = 0) -> list[Label]:
    """Only the candidate right, only production right, both wrong."""
    return [
        *repeat(Label(0, True, "", 1, 0), fixed),
        *repeat(Label(0, True, "", 0, 1), broken),
        *repeat(Label(0, True, "", 0, 0), neither),
    ]


def labelled(group: Group, fixed: int, broken: int, neither: int = 0, **options: Any) -> DisagreementTest:
    """A test with these labels, taken at one look."""
    test = DisagreementTest(group, **options)
    test.settle(*plain(fixed, broken, neither))
    return test
