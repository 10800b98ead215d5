"""Labels are found however they are written, and two that look alike cannot both exist."""

import pytest

from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.labels import clean_contract, index_of

COMPOSED, DECOMPOSED = "Rückgabe", "Ru\u0308ckgabe"


def contract(*labels: str, **groups: str) -> Contract:
    return Contract(task=Task.CLASSIFY, system_prompt="Sort.\r\n", labels=labels, groups=groups)


@pytest.mark.parametrize("written", [DECOMPOSED, "RÜCKGABE", "Rückgabe\u200b", "R\u00fcckgabe\u00a0"])
def test_a_label_is_found_however_it_is_written(written: str) -> None:
    assert index_of((COMPOSED, "Lieferung")).find(written) == COMPOSED


def test_the_closest_is_one_that_is_written_much_like_it() -> None:
    index = index_of(("order_status", "refund"))
    assert (index.closest("Order Status", alike=0.6), index.closest("weather", alike=0.6)) == ("order_status", None)
    assert index.closest("weather") is not None


def test_several_labels_in_one_are_seen() -> None:
    index = index_of(("order", "refund"))
    assert index.parts("refund; Order") == ["refund", "order"]
    assert index.parts("refund, weather") == []
    assert index.parts("refund") == []


@pytest.mark.parametrize("other", [DECOMPOSED, "rückgabe", "Rückgabe\u200b", "R\u00fcckgab\u0435"])
def test_two_labels_that_look_alike_are_refused_with_their_code_points(other: str) -> None:
    with pytest.raises(InvalidInput, match=r"look alike; keep one of them") as error:
        clean_contract(contract(COMPOSED, other, "Lieferung"))
    assert "<U+" in error.value.message or other == "rückgabe"


def test_a_contract_is_stored_clean() -> None:
    cleaned = clean_contract(contract(DECOMPOSED, "order\u00a0status", **{DECOMPOSED: "Nach\u200b dem Kauf"}))
    assert cleaned.labels == (COMPOSED, "order status")
    assert cleaned.groups == {COMPOSED: "Nach dem Kauf"}
    assert cleaned.system_prompt == "Sort.\n"


def test_labels_that_versions_know_stay_as_they_are() -> None:
    before = contract(COMPOSED, DECOMPOSED)
    assert clean_contract(before, kept=before.labels).labels == before.labels
    with pytest.raises(InvalidInput, match="look alike"):
        clean_contract(contract(DECOMPOSED, COMPOSED, "x"), kept=(DECOMPOSED,))
