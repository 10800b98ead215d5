import numpy as np

from tuneloop.stats.simulations import gate
from tuneloop.stats.simulations.catalogue import GATE, MONITOR
from tuneloop.stats.simulations.finding import Finding, Result, Unit, at_least, at_most


def _share(happened: int, runs: int) -> list[bool]:
    return [True] * happened + [False] * (runs - happened)


def test_a_miss_beyond_the_simulations_own_error_is_called_a_miss() -> None:
    assert Finding.share("", _share(4, 100), at_most(0.05)).result is Result.MET
    assert Finding.share("", _share(6, 100), at_most(0.05)).result is Result.WITHIN_ERROR
    assert Finding.share("", _share(20, 100), at_most(0.05)).result is Result.MISSED
    assert Finding.share("", _share(95, 100), at_least(0.9)).result is Result.MET
    assert Finding.share("", _share(60, 100), at_least(0.9)).result is Result.MISSED
    assert Finding.share("", _share(60, 100)).result is Result.NO_AIM


def test_the_interval_of_a_median_covers_it() -> None:
    generator = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        found = Finding.median("", Unit.WEEKS, generator.exponential(10, 101).tolist())
        covered.append(found.low <= 10 * np.log(2) <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_a_file_that_lost_three_points_is_blocked_and_every_run_says_so_again() -> None:
    first, second = gate.quantisation(), gate.quantisation()
    assert first == second
    assert first[0].result is Result.MET


def test_every_simulation_of_a_subject_has_a_title_of_its_own() -> None:
    for subject in (MONITOR, GATE):
        assert len({simulation.title for simulation in subject}) == len(subject)
