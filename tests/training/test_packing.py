"""Examples in one row see the prefix and themselves, nothing of each other."""

import torch

from tuneloop_workers.training.packing import TOKENS, packs


def test_every_token_sees_the_prefix_and_its_own_example_up_to_itself() -> None:
    (pack,) = packs(2, [2, 1])
    assert pack.positions.tolist() == [0, 1, 2, 3, 2]
    assert pack.starts == [2, 4]
    assert pack.visible().int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]


def test_a_window_is_counted_in_positions_not_in_columns() -> None:
    (pack,) = packs(2, [2, 2])
    last = pack.visible(window=3)[-1]
    assert last.int().tolist() == [0, 1, 0, 0, 1, 1]


def test_rows_hold_all_examples_in_order_and_no_more_tokens_than_they_may() -> None:
    lengths = [200, 300, 13, 900, 1, 511]
    found = list(packs(7, lengths))
    assert [length for pack in found for length in pack.lengths] == lengths
    assert [pack.first for pack in found] == [0, 2, 3, 4]
    assert all(sum(pack.lengths) <= TOKENS or len(pack.lengths) == 1 for pack in found)
    assert all(len(pack.positions) == 7 + sum(pack.lengths) for pack in found)
    assert torch.equal(found[0].visible().diagonal(), torch.ones(507, dtype=torch.bool))
