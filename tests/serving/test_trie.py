import numpy as np
import pytest

from tuneloop.kit.errors import InvalidInput
from tuneloop_workers.serving.labels import LabelScoring
from tuneloop_workers.serving.trie import build

END = 9


def test_tokens_shared_by_all_labels_are_no_decision() -> None:
    choice = build({"a": (1, 2, 3), "b": (1, 2, 4)}, END)
    assert choice.path == (1, 2)
    assert choice.tokens.tolist() == [3, 4]
    assert [branch.next for branch in choice.branches] == [None, None]


def test_a_label_that_begins_another_competes_with_it_by_the_end_token() -> None:
    choice = build({"card": (1,), "card lost": (1, 2, 3)}, END)
    assert choice.path == (1,)
    assert choice.tokens.tolist() == [END, 2]


def test_a_single_continuation_is_followed_without_a_decision() -> None:
    choice = build({"a b c": (1, 2, 3), "a b d": (1, 2, 4), "z": (5, 6, 7)}, END)
    assert choice.tokens.tolist() == [1, 5]
    further = choice.branches[0].next
    assert further is not None
    assert further.path == (1, 2)
    assert choice.branches[1] == ((2,), None)


def test_labels_with_equal_tokens_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"'a' and 'A'"):
        build({"a": (1,), "b": (2,), "A": (1,)}, END)


def test_a_negligible_branch_is_not_looked_into_and_its_labels_share_its_mass() -> None:
    labels = {"x": (1,), "y one": (2, 3), "y two": (2, 4)}
    scoring = LabelScoring(labels, build(labels, END))
    logits = np.zeros(10, dtype=np.float32)
    logits[1] = 12.0
    assert scoring.advance(logits) is None
    probabilities = scoring.answer(3, 1.0).probabilities
    assert probabilities is not None
    assert probabilities["y one"] == probabilities["y two"]
    assert sum(probabilities.values()) == pytest.approx(1.0)
