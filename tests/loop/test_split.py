"""Which examples train and which watch: decided by content, old and new of every category on both sides."""

from uuid import UUID

import pytest

from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.ids import new_id
from tuneloop.tables import Example, Pool, Source
from tuneloop_workers.handlers.data import split


def examples(count: int, category: str) -> list[Example]:
    return [
        Example(
            client_id=new_id(),
            model_id=new_id(),
            pool=Pool.TRAINING,
            messages=[{"role": "user", "content": f"{category} {number}"}],
            expected=category,
            category=category,
            source=Source.IMPORT,
            content_hash=f"{category}-{number * 7919 % 1000:04d}",
            minhash=b"",
        )
        for number in range(count)
    ]


def texts(chosen: list[Example]) -> list[str]:
    return [example.messages[0]["content"] for example in chosen]


def test_the_same_content_is_split_alike_under_other_ids() -> None:
    first = split(examples(40, "order"), known=frozenset(), dev_share=0.1)
    second = split(examples(40, "order"), known=frozenset(), dev_share=0.1)
    assert texts(first.dev) == texts(second.dev)
    assert len(first.dev) == 4
    assert not set(texts(first.dev)) & set(texts(first.train))


def test_old_and_new_of_every_category_watch() -> None:
    rows = [*examples(20, "order"), *examples(20, "refund")]
    known: frozenset[UUID] = frozenset(row.id for row in rows[::2])
    parts = split(rows, known=known, dev_share=0.2)
    assert {(row.category, row.id in known) for row in parts.dev} == {
        (category, age) for category in ("order", "refund") for age in (True, False)
    }
    assert parts.new == frozenset(row.id for row in rows) - known


def test_small_categories_are_never_emptied_into_dev() -> None:
    rows = [*examples(30, "order"), *examples(1, "rare")]
    parts = split(rows, known=frozenset(), dev_share=0.4)
    assert "rare 0" in texts(parts.train)


def test_too_little_data_is_refused_with_the_number() -> None:
    with pytest.raises(InvalidInput, match="9 training examples are too few"):
        split(examples(9, "order"), known=frozenset(), dev_share=0.1)


def test_new_are_those_of_the_target_or_all_if_none_is() -> None:
    known, came, aimed = examples(20, "order"), examples(10, "refund"), examples(10, "rental")
    everything, old = [*known, *came, *aimed], frozenset(each.id for each in known)
    ids = {name: frozenset(each.id for each in group) for name, group in (("came", came), ("aimed", aimed))}
    assert split(everything, known=old, target=frozenset({"rental", "order"}), dev_share=0.1).new == ids["aimed"]
    assert split(everything, known=old, target=frozenset({"order"}), dev_share=0.1).new == ids["came"] | ids["aimed"]
    assert split(everything, known=old, dev_share=0.1).new == ids["came"] | ids["aimed"]
