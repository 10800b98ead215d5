"""Labels of differing answers decide: overall on all of them, by group on those of the group."""

import pytest

from tuneloop.comparison.disagreements import Judged, describe, weigh
from tuneloop.kit.ids import new_id
from tuneloop.registry.policy import Policy
from tuneloop.tables import DisagreementRun

POLICY = Policy()


def run_of(agreed: dict[str, int], disagreements: int) -> DisagreementRun:
    return DisagreementRun(
        client_id=new_id(),
        cycle_id=new_id(),
        production_digest="1" * 64,
        candidate_digest="2" * 64,
        queries=sum(agreed.values()) + disagreements,
        disagreements=disagreements,
        agreed=agreed,
    )


def fixed(category: str) -> Judged:
    return Judged(category, production=False, candidate=True)


def broken(category: str) -> Judged:
    return Judged(category, production=True, candidate=False)


RUN = run_of({"order": 1300, "rental": 60}, 140)


def test_gains_of_the_new_category_do_not_hide_losses_of_the_others() -> None:
    judged = [fixed("rental"), broken("order")] * 50
    found = weigh(RUN, judged, target=["rental"], target_items=5, policy=POLICY, alpha=0.05)
    assert found.overall.non_inferior
    assert found.target is not None
    assert found.target.superior
    assert found.strong is not None
    assert not found.strong.non_inferior
    assert found.strong.estimate == pytest.approx(-70 / 1500)


def test_enough_golden_items_decide_about_the_target_themselves() -> None:
    found = weigh(RUN, [fixed("rental")] * 30, target=["rental"], target_items=20, policy=POLICY, alpha=0.05)
    assert found.target is None
    assert found.strong is not None


def test_without_a_target_all_that_counts_is_overall() -> None:
    found = weigh(RUN, [fixed("order")] * 30, target=[], target_items=0, policy=POLICY, alpha=0.05)
    assert (found.strong, found.target) == (None, None)


def test_free_text_has_no_categories_of_agreed_answers() -> None:
    found = weigh(run_of({"": 1300}, 100), [fixed("x")] * 30, target=["x"], target_items=0, policy=POLICY, alpha=0.05)
    assert (found.strong, found.target) == (None, None)
    assert found.overall.superior


def test_two_right_or_two_wrong_answers_say_nothing_about_the_difference() -> None:
    both = Judged("order", production=True, candidate=True)
    neither = Judged("order", production=False, candidate=False)
    found = weigh(RUN, [both, neither], target=[], target_items=0, policy=POLICY, alpha=0.05)
    assert (found.overall.labels_used, found.overall.estimate) == (2, 0.0)


def test_what_is_kept_has_n_and_interval() -> None:
    judged = [fixed("rental"), broken("order")]
    found = weigh(RUN, judged, target=["rental"], target_items=0, policy=POLICY, alpha=0.05)
    row = describe(RUN, judged, found, POLICY)
    assert (row["queries"], row["disagreements"], row["labelled"], row["fixed"], row["broken"]) == (1500, 140, 2, 1, 1)
    for group in ("overall", "strong", "target"):
        difference = row[group]["difference"]
        assert difference["low"] <= difference["value"] <= difference["high"]
        assert difference["n"] == 1500
