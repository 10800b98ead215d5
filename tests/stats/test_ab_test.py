"""Guarantees that hold at every look, enumerated where that is possible and simulated where it is not."""

import math
from itertools import product

import numpy as np
import pytest

from tuneloop.stats.ab_test import MISMATCH, Pairs, falls_more_often, mismatch, pairs_needed, provable_fall, proves
from tuneloop.stats.intervals import Rate, newcombe_difference

ALPHA = 0.05


def test_evidence_is_worth_nothing_on_average_while_there_is_no_harm() -> None:
    """Every course of six people at the planned share: the average capital is 1, so Ville's bound holds."""
    share = 0.2
    worth = 0.0
    for course in product((0, 1), repeat=6):
        candidate = sum(course)
        chance = share**candidate * (1 - share) ** (6 - candidate)
        worth += chance * math.exp(falls_more_often(candidate, 6 - candidate, share))
    assert worth == pytest.approx(1.0)


def test_a_harmless_candidate_is_stopped_in_at_most_five_percent_though_one_looks_all_the_time() -> None:
    generator = np.random.default_rng(11)
    stopped = 0
    for _ in range(300):
        right = generator.random((2, 240)) < 0.85
        better, worse = (right[1] & ~right[0]).cumsum(), (right[0] & ~right[1]).cumsum()
        looks = range(3, 240, 4)
        stopped += any(proves(Pairs(int(better[n]), int(worse[n]), 0).less, ALPHA) for n in looks)
    assert stopped / 300 <= ALPHA


def test_the_interval_holds_the_true_difference_at_every_look_together() -> None:
    generator = np.random.default_rng(12)
    missed = 0
    for _ in range(80):
        production, candidate = generator.random(300) < 0.9, generator.random(300) < 0.82
        pairs = [Pairs.of(production[:n].tolist(), candidate[:n].tolist()) for n in (10, 40, 120, 300)]
        missed += any(-0.08 not in each.interval() for each in pairs)
    assert missed / 80 <= ALPHA


def test_reports_alone_stop_a_candidate_that_doubles_them_and_seldom_one_that_does_not() -> None:
    generator = np.random.default_rng(13)
    false, found = 0, 0
    for _ in range(300):
        for chance, harmful in ((0.2, False), (2 * 0.2 / 1.2, True)):
            mine = (generator.random(150) < chance).cumsum()
            crossed = any(proves(falls_more_often(int(mine[n]), n + 1 - int(mine[n]), 0.2), ALPHA) for n in range(150))
            found, false = found + (crossed and harmful), false + (crossed and not harmful)
    assert false / 300 <= ALPHA
    assert found / 300 >= 0.8


def test_a_wrong_split_is_noticed_and_a_right_one_is_not() -> None:
    generator = np.random.default_rng(14)
    looks = range(20, 3000, 60)
    for chance, noticed in ((0.2, False), (0.25, True)):
        alarms = 0
        for _ in range(60):
            mine = (generator.random(3000) < chance).cumsum()
            alarms += any(mismatch(int(mine[n]), n + 1 - int(mine[n]), 0.2) < MISMATCH for n in looks)
        assert (alarms >= 57) if noticed else (alarms == 0)


def test_looking_all_the_time_costs_about_half_the_width_and_no_more_than_that() -> None:
    pairs = Pairs(27, 27, 246)
    once = newcombe_difference(Rate(270, 300), Rate(270, 300))
    always = pairs.interval()
    assert 1.3 < (always.high - always.low) / (once.high - once.low) < 1.9
    assert pairs.interval() == Pairs(27, 27, 246).interval()
    assert Pairs(0, 0, 0).interval() == (-1.0, 1.0)
    assert Pairs(5, 0, 0).interval().high == 1.0


def test_what_so_few_labels_can_show_is_said_honestly() -> None:
    falls = [provable_fall(n, 0.9, ALPHA) for n in (10, 60, 400)]
    assert falls[0] is None or falls[0] > 0.5
    assert falls[1] is not None
    assert falls[2] is not None
    assert falls[1] > 0.2 > falls[2] > 0.05
    needed = pairs_needed(0.9, falls[2], ALPHA)
    assert needed == pytest.approx(400, abs=2)
    assert pairs_needed(0.9, 0.001, ALPHA) is None


def test_pairs_take_labels_in_their_order_and_leave_the_rest_over() -> None:
    assert Pairs.of([True, False, True, True], [False, True, True]) == Pairs(1, 1, 1)
    with pytest.raises(ValueError, match="share"):
        mismatch(1, 1, 1.0)
