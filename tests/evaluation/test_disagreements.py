"""Labels of differing answers decide together with the golden items, each group by its own traffic."""

from collections.abc import Collection, Mapping, Sequence

import pytest

from tuneloop.evaluation.disagreements import TrafficDisagreements, describe, weigh
from tuneloop.kit.ids import new_id
from tuneloop.registry.policy import Policy
from tuneloop.stats.gate import Disagreements
from tuneloop.stats.gate import Policy as GatePolicy
from tuneloop.stats.paired import PairedCounts
from tuneloop.stats.weighing import Judged
from tuneloop.tables import DisagreementRun

POLICY = Policy()


def traffic(
    agreed: dict[str, int], pairs: Sequence[tuple[str, str]], judged: Sequence[Judged], *, free_text: bool = False
) -> TrafficDisagreements:
    run = DisagreementRun(
        client_id=new_id(),
        cycle_id=new_id(),
        production_digest="1" * 64,
        candidate_digest="2" * 64,
        queries=sum(agreed.values()) + len(pairs),
        disagreements=len(pairs),
        agreed=agreed,
    )
    return TrafficDisagreements(run, None if free_text else pairs, judged)


def fixed(category: str, *, near: bool = False) -> Judged:
    return Judged(category, production=False, candidate=True, near=near)


def broken(category: str, *, near: bool = False) -> Judged:
    return Judged(category, production=True, candidate=False, near=near)


def weighed(
    labels: TrafficDisagreements, *, target: Collection[str] = (), golden: Mapping[str, PairedCounts] | None = None
) -> Disagreements:
    return weigh(labels, golden or {}, target=target, policy=GatePolicy(alpha=0.05), budget=100)


AGREED = {"order": 1300, "rental": 60}
GAINED, LOST = ("order", "rental"), ("order", "refund")
HALF = [GAINED] * 70 + [LOST] * 70


def test_gains_of_the_new_category_do_not_hide_losses_of_the_others() -> None:
    judged = [each for _ in range(50) for each in (fixed("rental", near=True), broken("order"))]
    found = weighed(traffic(AGREED, HALF, judged), target=["rental"])
    assert found.overall.non_inferior
    assert found.target is not None
    assert found.target.superior
    assert found.strong is not None
    assert not found.strong.non_inferior


def test_what_strong_categories_lose_is_told_in_points_of_their_own_traffic() -> None:
    """1300 equal answers and all 70 pairs between strong categories are strong queries; 70 of these were lost."""
    found = weighed(
        traffic(AGREED, HALF, [broken("order")] * 70 + [fixed("rental", near=True)] * 70), target=["rental"]
    )
    assert found.strong is not None
    assert found.strong.queries == 1370
    assert found.strong.estimate == pytest.approx(-70 / 1370)
    assert found.target is not None
    assert found.target.queries == 130
    assert found.target.estimate == pytest.approx(70 / 130)
    assert (found.overall.queries, found.overall.estimate) == (1500, 0.0)


def test_labels_of_either_kind_stand_for_the_pairs_of_their_kind() -> None:
    """Half of the pairs near the target and all others are labelled: the fixed ones count twice."""
    judged = [broken("order")] * 70 + [fixed("rental", near=True)] * 35
    found = weighed(traffic(AGREED, HALF, judged), target=["rental"])
    assert found.overall.estimate == pytest.approx(0.0)


def test_golden_items_count_in_the_traffic_s_mix() -> None:
    """Of 90 golden items half are of a category with a tenth of the traffic: its losses are a tenth of the estimate."""
    golden = {"order": PairedCounts(45, 0, 0, 0), "rental": PairedCounts(30, 0, 15, 0)}
    found = weighed(traffic({"order": 900, "rental": 100}, [], []), golden=golden)
    alone = weighed(traffic({"order": 900, "rental": 100}, [], []))
    assert (found.overall.golden, alone.overall.golden) == (90, 0)
    # 45 items beside 900 queries without a difference, 45 beside 100
    assert found.overall.estimate == pytest.approx(-0.1 * 15 / (45 + 100))


def test_a_category_without_golden_items_is_left_to_the_labels() -> None:
    pairs = [("order", "refund")] * 20 + [("refund", "order")] * 20
    judged = [broken("refund")] * 20
    known = traffic({"order": 900, "refund": 60}, pairs, judged)
    golden = {"order": PairedCounts(400, 0, 0, 0)}
    assert weighed(known, golden=golden).overall.estimate == pytest.approx(weighed(known).overall.estimate)
    lost = traffic({"order": 900, "refund": 60}, pairs, [broken("order")] * 20)
    assert -0.03 < weighed(lost, golden=golden).overall.estimate < 0


def test_a_golden_category_without_traffic_counts_for_nothing() -> None:
    golden = {"order": PairedCounts(90, 0, 0, 10), "gone": PairedCounts(0, 0, 50, 0)}
    found = weighed(traffic({"order": 960}, [("order", "order ")] * 40, []), golden=golden)
    assert (found.overall.golden, found.overall.estimate) == (100, 0.0)


def test_without_a_target_all_that_counts_is_overall() -> None:
    found = weighed(traffic(AGREED, HALF, [fixed("order")] * 30))
    assert (found.strong, found.target) == (None, None)


def test_free_text_has_no_categories_so_labels_judge_alone_and_only_overall() -> None:
    known = traffic({"": 1300}, [("a", "b")] * 100, [fixed("x")] * 30, free_text=True)
    found = weighed(known, target=["x"], golden={"x": PairedCounts(0, 0, 50, 0)})
    assert (found.strong, found.target, found.overall.golden) == (None, None, 0)
    assert found.overall.superior


def test_two_right_or_two_wrong_answers_say_nothing_about_the_difference() -> None:
    both = Judged("order", production=True, candidate=True)
    neither = Judged("order", production=False, candidate=False)
    found = weighed(traffic(AGREED, HALF, [both, neither]))
    assert (found.overall.labels_used, found.overall.estimate) == (2, 0.0)


def test_looks_that_were_taken_need_a_higher_boundary_at_the_next() -> None:
    judged = [fixed("order"), broken("order")] * 50
    pairs = [LOST] * 140
    ends = [
        weighed(TrafficDisagreements(run.run, run.pairs, run.judged, looks)).overall.difference
        for run in [traffic(AGREED, pairs, judged)]
        for looks in ((), tuple(range(0, 100, 5)))
    ]
    assert ends[1].low < ends[0].low < 0 < ends[0].high < ends[1].high


def test_what_is_kept_has_n_and_interval() -> None:
    known = traffic(AGREED, HALF, [fixed("rental", near=True), broken("order")])
    row = describe(known, weighed(known, target=["rental"]), POLICY)
    assert (row["queries"], row["disagreements"], row["labelled"], row["fixed"], row["broken"]) == (1500, 140, 2, 1, 1)
    for group in ("overall", "strong", "target"):
        difference = row[group]["difference"]
        assert difference["low"] <= difference["value"] <= difference["high"]
        assert difference["n"] == row[group]["queries"] <= 1500
