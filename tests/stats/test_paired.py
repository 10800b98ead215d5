import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from tuneloop.stats.paired import (
    Alternative,
    PairedCounts,
    compare_counts,
    count,
    holm,
    mcnemar_exact,
    mcnemar_mid_p,
    tango_interval,
    tango_lower,
    tango_score,
    tango_upper,
)

# Fagerland, Lydersen and Laake: airway hyper-responsiveness (Bentur 2009), complete response (Cavo 2012)
BENTUR = PairedCounts(1, 1, 7, 12)
CAVO = PairedCounts(59, 6, 16, 80)

tables = st.builds(PairedCounts, *[st.integers(0, 60)] * 4).filter(lambda counts: counts.n > 0)


def test_counts_say_what_was_fixed_and_what_was_broken() -> None:
    production = np.array([True, True, False, False, True])
    candidate = np.array([True, False, True, True, True])
    compared = compare_counts(count(production, candidate))
    assert compared.counts == PairedCounts(both_right=2, fixed=2, broken=1, both_wrong=0)
    assert (compared.n, compared.fixed, compared.broken, compared.difference) == (5, 2, 1, 0.2)
    assert (compared.counts.production.value, compared.counts.candidate.value) == (0.6, 0.8)


def test_versions_that_answered_different_items_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same items"):
        count(np.array([True]), np.array([True, False]))


def test_tango_interval_gives_the_published_values() -> None:
    assert tango_interval(BENTUR) == pytest.approx((-0.5172, -0.0260), abs=5e-5)
    assert tango_interval(CAVO) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
    assert tango_interval(PairedCounts(0, 28, 25, 565), level=0.90) == pytest.approx((-0.0148, 0.0247), abs=5e-5)


def test_mcnemar_gives_the_published_p_values() -> None:
    assert mcnemar_exact(BENTUR) == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar_mid_p(BENTUR) == pytest.approx(0.0391, abs=5e-5)
    assert mcnemar_mid_p(CAVO) == pytest.approx(0.034690, abs=5e-7)


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_agrees_with_enumerating_every_outcome(fixed: int, broken: int) -> None:
    counts, discordant = PairedCounts(3, fixed, broken, 2), fixed + broken
    ways = [math.comb(discordant, k) / 2**discordant for k in range(discordant + 1)]
    assert mcnemar_exact(counts, Alternative.BETTER) == pytest.approx(sum(ways[fixed:]))
    assert mcnemar_exact(counts, Alternative.WORSE) == pytest.approx(sum(ways[: fixed + 1]))
    assert mcnemar_mid_p(counts, Alternative.BETTER) == pytest.approx(sum(ways[fixed + 1 :]) + ways[fixed] / 2)
    assert mcnemar_exact(counts) == pytest.approx(stats.binomtest(fixed, discordant).pvalue if discordant else 1.0)


def test_tango_score_uses_the_likeliest_table_under_the_hypothesis() -> None:
    counts, hypothesis = PairedCounts(50, 3, 9, 38), -0.15

    def minus_log_likelihood(broken_share: float) -> float:
        fixed_share = broken_share + hypothesis
        rest = 1 - broken_share - fixed_share
        return -(3 * math.log(fixed_share) + 9 * math.log(broken_share) + 88 * math.log(rest))

    fit = optimize.minimize_scalar(minus_log_likelihood, bounds=(0.1500001, 0.57), method="bounded")
    variance = 100 * (2 * fit.x + hypothesis - hypothesis**2)
    assert tango_score(counts, hypothesis) == pytest.approx((-6 + 15) / math.sqrt(variance), rel=1e-5)


def test_without_discordance_the_bound_has_a_closed_form() -> None:
    z, n = stats.norm.ppf(0.95), 100
    assert tango_lower(PairedCounts(90, 0, 0, 10)) == pytest.approx(-(z**2) / (n + z**2), abs=1e-8)


@given(tables)
def test_tango_interval_holds_the_difference_and_mirrors(counts: PairedCounts) -> None:
    interval = tango_interval(counts)
    mirrored = tango_interval(PairedCounts(counts.both_right, counts.broken, counts.fixed, counts.both_wrong))
    assert -1 <= interval.low <= counts.difference <= interval.high <= 1
    assert mirrored == pytest.approx((-interval.high, -interval.low), abs=1e-7)


@given(tables)
def test_one_sided_bounds_are_the_ends_of_the_two_sided_interval(counts: PairedCounts) -> None:
    assert (tango_lower(counts, 0.95), tango_upper(counts, 0.95)) == pytest.approx(tango_interval(counts, 0.90))


@pytest.mark.parametrize(("n", "margin"), [(40, 0.05), (100, 0.03)])
def test_non_inferiority_is_accepted_at_the_margin_in_at_most_five_percent(n: int, margin: float) -> None:
    accepted = np.array(
        [
            [
                fixed + broken <= n and tango_score(PairedCounts(n - fixed - broken, fixed, broken, 0), -margin) > 1.645
                for broken in range(n + 1)
            ]
            for fixed in range(n + 1)
        ]
    )
    for discordance in (margin + 0.01, 0.08, 0.15, 0.3):
        fixed_share, broken_share = (discordance - margin) / 2, (discordance + margin) / 2
        chance = stats.multinomial.pmf(
            [(f, b, n - f - b) for f, b in itertools.product(range(n + 1), repeat=2)],
            n,
            [fixed_share, broken_share, 1 - discordance],
        ).reshape(n + 1, n + 1)
        assert chance[accepted].sum() <= 0.0501


def test_no_items_say_nothing() -> None:
    compared = compare_counts(count(np.array([], dtype=bool), np.array([], dtype=bool)))
    assert (compared.interval, compared.p_value) == ((-1.0, 1.0), 1.0)
    assert math.isnan(compared.difference)


def test_holm_gives_the_textbook_values() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_the_raw_and_the_bonferroni_value(p_values: list[float]) -> None:
    raw = np.array(p_values)
    adjusted = holm(raw)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, raw * len(raw)) + 1e-12).all()
