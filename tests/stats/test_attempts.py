import pytest

from tuneloop.stats.attempts import ATTEMPTS, alpha_of


def test_the_attempts_of_a_cycle_share_one_error() -> None:
    shares = [alpha_of(attempt, 0.05) for attempt in range(1, ATTEMPTS + 1)]
    assert sum(shares) == pytest.approx(0.05)
    assert shares[0] > 0.025
    assert min(shares) > 0


@pytest.mark.parametrize("attempt", [0, 4])
def test_there_is_no_other_attempt(attempt: int) -> None:
    with pytest.raises(ValueError, match="attempts 1 to 3"):
        alpha_of(attempt, 0.05)
