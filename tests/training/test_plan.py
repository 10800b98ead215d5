"""Batches: shares, coverage, determinism."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop_workers.training.batching import plan_batches
from tuneloop_workers.training.data import Encoded
from tuneloop_workers.training.spec import Group


def pool(old: int, new: int) -> list[Encoded]:
    groups = [Group.OLD] * old + [Group.NEW] * new
    return [Encoded(str(i), group, tuple(range(5 + i * 7 % 40)), 1) for i, group in enumerate(groups)]


@given(
    old=st.integers(1, 60),
    new=st.integers(1, 60),
    batch_size=st.integers(1, 16),
    share=st.floats(0.05, 0.95),
    epochs=st.integers(1, 3),
)
def test_new_share_holds_over_the_run_and_within_every_batch(
    old: int, new: int, batch_size: int, share: float, epochs: int
) -> None:
    examples = pool(old, new)
    batches = plan_batches(examples, epochs=epochs, batch_size=batch_size, new_share=share, seed=3)
    fresh = [sum(examples[i].group is Group.NEW for i in batch) for batch in batches]
    assert all(len(batch) == batch_size for batch in batches)
    assert all(abs(count - batch_size * share) < 1 + 1e-6 for count in fresh)
    assert abs(sum(fresh) - len(batches) * batch_size * share) <= 1 + 1e-6
    drawn = Counter(i for batch in batches for i in batch)
    assert len(drawn) == old + new
    assert min(drawn.values()) >= epochs


def test_replay_is_spread_evenly_over_the_old_examples() -> None:
    examples = pool(old=40, new=6)
    batches = plan_batches(examples, epochs=2, batch_size=8, new_share=0.4, seed=0)
    drawn = Counter(i for batch in batches for i in batch)
    counts = [drawn[i] for i in range(40)]
    assert min(counts) >= 2
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(("old", "new", "share"), [(30, 0, 0.4), (0, 30, 0.4), (20, 10, None)])
def test_without_a_share_or_a_second_group_every_example_comes_once_an_epoch(
    old: int, new: int, share: float | None
) -> None:
    batches = plan_batches(pool(old, new), epochs=2, batch_size=6, new_share=share, seed=0)
    drawn = Counter(i for batch in batches for i in batch)
    assert drawn == dict.fromkeys(range(30), 2)


def test_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    plans = [plan_batches(pool(30, 9), epochs=2, batch_size=8, new_share=0.4, seed=seed) for seed in (5, 5, 6)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
