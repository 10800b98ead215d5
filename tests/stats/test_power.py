import numpy as np
import pytest

from tuneloop.stats.paired import Alternative, PairedCounts, mcnemar_mid_p, tango_lower
from tuneloop.stats.power import items_for_superiority, items_to_separate, more_labels


def test_non_inferiority_sizes_follow_the_closed_form() -> None:
    sizes = [items_to_separate(0.05, 0.0, -margin) for margin in (0.02, 0.03, 0.05)]
    assert sizes == [773, 344, 124]


def test_superiority_sizes_follow_the_closed_form() -> None:
    assert [items_for_superiority(0.08, gain) for gain in (0.02, 0.03, 0.04, 0.05)] == [1235, 548, 308, 196]


def test_the_promised_power_is_reached_in_simulation() -> None:
    generator = np.random.default_rng(7)
    n = items_to_separate(0.08, 0.0, -0.03)
    draws = generator.multinomial(n, [0.04, 0.04, 0.92], size=1500)
    proven = [tango_lower(PairedCounts(rest, f, b, 0)) > -0.03 for f, b, rest in draws.tolist()]
    assert np.mean(proven) == pytest.approx(0.8, abs=0.035)

    n = items_for_superiority(0.10, 0.05)
    draws = generator.multinomial(n, [0.075, 0.025, 0.90], size=1500)
    proven = [mcnemar_mid_p(PairedCounts(rest, f, b, 0), Alternative.BETTER) <= 0.05 for f, b, rest in draws.tolist()]
    assert np.mean(proven) == pytest.approx(0.8, abs=0.035)


def test_questions_that_no_number_of_items_settles_are_refused() -> None:
    with pytest.raises(ValueError, match="superiority"):
        items_for_superiority(0.1, 0.0)
    with pytest.raises(ValueError, match="separates"):
        items_to_separate(0.1, -0.03, -0.03)


def test_more_labels_a_week_see_smaller_drops() -> None:
    table = more_labels((348, 400), 100)
    assert [row.labels for row in table] == [100, 200, 400]
    assert table[0].smallest_drop == pytest.approx(0.07, abs=0.0101)
    drops = [row.smallest_drop for row in table if row.smallest_drop is not None]
    assert drops == sorted(drops, reverse=True)


def test_a_chart_that_knows_weeks_to_wobble_promises_less() -> None:
    steady, wobbling = (more_labels((348, 400), 100, overdispersion=known)[0] for known in (0.0, 0.01))
    assert steady.smallest_drop is not None
    assert wobbling.smallest_drop is not None
    assert wobbling.smallest_drop > steady.smallest_drop
