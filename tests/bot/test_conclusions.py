"""What the gate concludes, beside a table that shows the rates: not the same numbers twice."""

import pytest

from tuneloop.stats.gate import decide
from tuneloop.stats.paired import PairedCounts
from tuneloop.stats.strata import Strata
from tuneloop_bot.blocks.cycles import conclusion

EQUAL, GAINED, HARMED = PairedCounts(460, 6, 6, 28), PairedCounts(12, 14, 1, 3), PairedCounts(180, 2, 40, 18)
FEW = PairedCounts(20, 2, 1, 2)


@pytest.mark.parametrize(
    ("strata", "words"),
    [
        (Strata(EQUAL, target=GAINED), "New or fallen categories: the gain is proven (p < 0.001, lower bound +"),
        (Strata(HARMED), "is proven (upper bound"),
        (Strata(FEW, target=FEW), "more items would tell."),
    ],
)
def test_a_conclusion_keeps_its_words_and_loses_the_table_s_numbers(strata: Strata, words: str) -> None:
    concluded = [conclusion(reason) for reason in decide(strata).reasons]
    assert any(words in each for each in concluded), concluded
    assert not [each for each in concluded if "\u2192" in each or " fixed" in each]


def test_what_has_no_table_beside_it_stays() -> None:
    for reason in ("Categories: no loss beyond chance in any of 9 (smallest p = 0.200).", "Too few items."):
        assert conclusion(reason) == reason
