"""The gate's error over the attempts of a cycle: whoever may try again must not be let through by trying.

Each attempt is judged at its share of the error, and the shares add up to all of it. So among the candidates of a cycle
a harmful one is promoted with at most that error, however alike the attempts, their items and their faults are
(Bonferroni). Most goes to the first, which is the only one where the loop works.
"""

ATTEMPTS = 3
_SHARES = (0.8, 0.1, 0.1)


def alpha_of(attempt: int, alpha: float) -> float:
    """The error that the gate may spend on the `attempt`-th candidate of a cycle (1 is the first), of `alpha` in all.

    Raises:
        ValueError: a cycle has no such attempt.
    """
    if not 1 <= attempt <= ATTEMPTS:
        raise ValueError(f"a cycle has attempts 1 to {ATTEMPTS}, got {attempt}")
    return alpha * _SHARES[attempt - 1]
