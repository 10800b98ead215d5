import numpy as np
import pytest
from scipy import stats

from tuneloop.stats.canary import check, noise_floor


def test_the_noise_floor_carries_its_interval() -> None:
    noise = noise_floor(2, 200)
    assert noise.share == 0.01
    assert (noise.low, noise.high) == pytest.approx(stats.beta.ppf([0.025, 0.975], 2.5, 198.5))


def test_as_many_flips_as_noise_are_no_alarm_and_many_more_are() -> None:
    noise = noise_floor(2, 200)
    assert not check(3, 200, 1, 1, noise).alarm
    assert check(25, 200, 4, 4, noise).alarm


def test_a_few_flips_that_all_did_harm_alarm_even_under_much_noise() -> None:
    noise = noise_floor(20, 200)
    assert check(14, 200, 12, 0, noise).alarm
    assert not check(14, 200, 6, 6, noise).alarm


def test_an_unchanged_pipeline_alarms_at_most_at_the_level() -> None:
    generator = np.random.default_rng(2)
    alarms = []
    for _ in range(1500):
        noise = noise_floor(int(generator.binomial(200, 0.01)), 200)
        flips = int(generator.binomial(200, 0.01))
        broken = int(generator.binomial(flips, 0.5))
        alarms.append(check(flips, 200, broken, flips - broken, noise, alpha=0.05).alarm)
    assert np.mean(alarms) <= 0.05


def test_no_flips_are_no_evidence() -> None:
    assert check(0, 100, 0, 0, noise_floor(0, 100)).p_value == 1.0


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one anchor"):
        noise_floor(0, 0)
    with pytest.raises(ValueError, match="flips"):
        check(3, 100, 2, 2, noise_floor(0, 100))
