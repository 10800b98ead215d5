import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stats.labels import labelled
from tuneloop.stats.evidence import Group
from tuneloop.stats.gate import Disagreements, Policy, decide
from tuneloop.stats.gate_tests import CheckResult
from tuneloop.stats.outcome import Outcome
from tuneloop.stats.paired import PairedCounts
from tuneloop.stats.strata import Flags, Strata, stratify

EQUAL = PairedCounts(460, 6, 6, 28)
GAINED = PairedCounts(12, 14, 1, 3)
HARMED = PairedCounts(180, 2, 40, 18)

tables = st.builds(PairedCounts, *[st.integers(0, 300)] * 4)


def test_promotes_when_the_gain_and_every_tolerance_are_proven() -> None:
    verdict = decide(Strata(EQUAL, target=GAINED, strong=EQUAL, hallucination=EQUAL, categories={"returns": EQUAL}))
    assert (verdict.outcome, verdict.labels_needed) == (Outcome.PROMOTE, 0)
    assert {check.finding for check in verdict.checks} == {CheckResult.PROVEN}


def test_promotes_without_a_target_when_nothing_got_worse() -> None:
    assert decide(Strata(EQUAL)).outcome is Outcome.PROMOTE


@pytest.mark.parametrize(
    "strata",
    [
        pytest.param(Strata(HARMED, target=GAINED), id="overall"),
        pytest.param(Strata(EQUAL, strong=HARMED), id="strong"),
        pytest.param(Strata(EQUAL, hallucination=HARMED), id="hallucination"),
        pytest.param(Strata(EQUAL, format=HARMED), id="format"),
    ],
)
def test_rejects_when_a_loss_beyond_the_margin_is_proven_anywhere(strata: Strata) -> None:
    verdict = decide(strata)
    assert verdict.outcome is Outcome.REJECT
    assert "is proven" in verdict.reasons[0]


def test_rejects_when_a_worthwhile_gain_on_the_target_is_ruled_out() -> None:
    verdict = decide(Strata(EQUAL, target=PairedCounts(30, 2, 2, 60)))
    assert verdict.outcome is Outcome.REJECT
    assert "a gain of 10 points is ruled out" in verdict.reasons[0]


def test_rejects_when_one_category_collapses_beyond_chance() -> None:
    categories = {f"c{i}": PairedCounts(45, 1, 1, 3) for i in range(9)} | {"refunds": PairedCounts(20, 0, 12, 3)}
    verdict = decide(Strata(EQUAL, categories=categories))
    assert verdict.outcome is Outcome.REJECT
    assert "refunds: 91 %" in verdict.reasons[0]


def test_tolerates_a_proven_category_loss_below_the_threshold() -> None:
    verdict = decide(Strata(EQUAL, categories={"refunds": PairedCounts(460, 0, 20, 20)}))
    assert verdict.outcome is Outcome.PROMOTE
    assert any("under 10 points: refunds" in reason for reason in verdict.reasons)


def test_a_category_of_few_items_does_not_block_by_chance() -> None:
    categories = {f"c{i}": PairedCounts(8, 0, 2, 0) for i in range(10)}
    assert decide(Strata(EQUAL, categories=categories)).outcome is Outcome.PROMOTE


def test_asks_for_more_labels_when_nothing_is_proven() -> None:
    verdict = decide(Strata(PairedCounts(85, 4, 4, 7), target=PairedCounts(3, 2, 1, 4)))
    assert verdict.outcome is Outcome.NEED_MORE_LABELS
    assert verdict.labels_needed > 0
    assert "more items would tell" in verdict.reasons[0]


def test_a_stratum_without_items_asks_for_a_first_batch() -> None:
    nothing = PairedCounts(0, 0, 0, 0)
    verdict = decide(Strata(nothing, target=nothing))
    assert verdict.outcome is Outcome.NEED_MORE_LABELS
    assert [check.labels_needed for check in verdict.checks] == [1240, 20]
    assert all("not measured (n=0)" in reason for reason in verdict.reasons)


def test_labels_of_target_and_strong_add_up_and_serve_overall_too() -> None:
    verdict = decide(
        Strata(PairedCounts(95, 1, 1, 3), target=PairedCounts(3, 2, 1, 4), strong=PairedCounts(50, 1, 2, 4))
    )
    overall, target, strong = (check.labels_needed for check in verdict.checks)
    assert verdict.labels_needed == max(overall, target + strong)


def test_the_estimate_of_missing_labels_settles_the_question_with_the_promised_power() -> None:
    shares, n = [0.03, 0.03, 0.94], 100
    needed = decide(Strata(PairedCounts(94, 3, 3, 0))).labels_needed
    draws = np.random.default_rng(3).multinomial(n + needed, shares, size=600).tolist()
    settled = [decide(Strata(PairedCounts(rest, f, b, 0))).outcome is Outcome.PROMOTE for f, b, rest in draws]
    assert np.mean(settled) == pytest.approx(0.8, abs=0.06)


def test_labelled_disagreements_prove_what_the_items_are_too_few_for() -> None:
    few = Strata(PairedCounts(84, 4, 3, 9), target=GAINED, strong=PairedCounts(80, 2, 2, 6))
    kept = labelled(Group.plain(1500, 90), 30, 25, 35).decision
    strong = labelled(Group.plain(1500, 90), 25, 24, 41, margin=0.03 * 0.9).decision
    assert decide(few).outcome is Outcome.NEED_MORE_LABELS
    assert decide(few, disagreement=kept).outcome is Outcome.NEED_MORE_LABELS
    verdict = decide(few, disagreement=Disagreements(kept, strong=strong))
    assert verdict.outcome is Outcome.PROMOTE
    assert any(
        "by 90 labels of 90 differing answers" in reason and "on its 1500 queries" in reason
        for reason in verdict.reasons
    )


def test_a_gain_on_the_target_may_be_proven_by_disagreements() -> None:
    gain = labelled(Group.plain(1500, 90), 30, 4, 56).decision
    verdict = decide(Strata(EQUAL, target=PairedCounts(3, 2, 1, 4)), disagreement=Disagreements(gain, target=gain))
    assert verdict.outcome is Outcome.PROMOTE


def test_disagreements_that_prove_harm_reject_and_open_ones_ask_for_labels() -> None:
    harmful = labelled(Group.plain(1000, 90), 5, 70, 5).decision
    assert decide(Strata(EQUAL), disagreement=harmful).outcome is Outcome.REJECT
    unsettled = labelled(Group.plain(1000, 90), 5, 4, 6).decision
    verdict = decide(Strata(EQUAL), disagreement=unsettled)
    assert (verdict.outcome, verdict.labels_needed) == (Outcome.NEED_MORE_LABELS, unsettled.labels_needed)
    assert "more labelled disagreements would tell" in verdict.reasons[0]


def test_harm_that_the_items_prove_stands_whatever_the_disagreements_say() -> None:
    kept = labelled(Group.plain(1500, 90), 30, 25, 35).decision
    assert decide(Strata(HARMED), disagreement=kept).outcome is Outcome.REJECT


def test_reasons_carry_rates_intervals_n_and_the_bound() -> None:
    strong = PairedCounts(221, 3, 5, 11)
    reasons = decide(Strata(EQUAL, strong=strong), Policy(strong_margin=0.05)).reasons
    assert (
        "Previously strong categories: 94 % (90\N{EN DASH}96 %) → 93 % (89\N{EN DASH}96 %) "
        "on 240 items, 3 fixed, 5 broken; "
        "a loss of more than 5 points is ruled out (lower bound -3.1)."
    ) in reasons


def test_fault_rates_are_told_as_faults() -> None:
    reasons = decide(Strata(EQUAL, hallucination=PairedCounts(480, 9, 2, 9))).reasons
    assert any(
        "Hallucination: 3.6 % (2.3\N{EN DASH}5.6 %) → 2.2 % (1.2\N{EN DASH}3.9 %)" in reason
        and "(upper bound -0.4)" in reason
        for reason in reasons
    )


@given(tables, tables, tables)
def test_a_verdict_is_always_explained(overall: PairedCounts, target: PairedCounts, strong: PairedCounts) -> None:
    verdict = decide(Strata(overall, target=target, strong=strong))
    assert (verdict.labels_needed > 0) == (verdict.outcome is Outcome.NEED_MORE_LABELS)
    assert len(verdict.reasons) == 3
    assert all(re.search(r"\d+ items?|n=0", reason) for reason in verdict.reasons)


@given(tables, st.integers(1, 100))
def test_breaking_more_items_never_helps(overall: PairedCounts, extra: int) -> None:
    worse = PairedCounts(overall.both_right, overall.fixed, overall.broken + extra, overall.both_wrong)
    order = (Outcome.REJECT, Outcome.NEED_MORE_LABELS, Outcome.PROMOTE)
    assert order.index(decide(Strata(worse)).outcome) <= order.index(decide(Strata(overall)).outcome)


@pytest.mark.parametrize(
    ("n_strong", "n_new", "strong", "new", "at_most"),
    [
        pytest.param(400, 40, (0.04, 0.04), (0.05, 0.05), 0.05, id="placebo"),
        pytest.param(400, 40, (0.01, 0.06), (0.50, 0.03), 0.05, id="five points lost"),
        pytest.param(90, 10, (0.04, 0.04), (0.05, 0.05), 0.05, id="placebo, few items"),
    ],
)
def test_bad_candidates_are_promoted_in_at_most_five_percent(
    n_strong: int, n_new: int, strong: tuple[float, float], new: tuple[float, float], at_most: float
) -> None:
    assert _promoted(n_strong, n_new, strong, new) <= at_most + 0.015


def test_a_good_candidate_is_promoted_when_there_are_items_enough() -> None:
    tolerant = Policy(overall_margin=0.03, strong_margin=0.05)
    assert _promoted(400, 40, (0.015, 0.025), (0.50, 0.03), tolerant) >= 0.9


def test_stratify_groups_items_and_turns_faults_into_rates_of_clean_answers() -> None:
    right = Flags(np.array([True, False, True, True]), np.array([True, True, False, True]))
    faulty = Flags(np.array([False, False, False, True]), np.array([False, False, True, False]))
    strata = stratify(right, ["a", "new", "a", "b"], target=["new"], hallucinated=faulty)
    assert strata.overall == PairedCounts(2, 1, 1, 0)
    assert strata.target == strata.categories["new"] == PairedCounts(0, 1, 0, 0)
    assert strata.strong == PairedCounts(2, 0, 1, 0)
    assert strata.hallucination == PairedCounts(2, 1, 1, 0)
    assert strata.format is None


def test_stratify_refuses_a_missing_category() -> None:
    right = Flags(np.array([True, False]), np.array([True, True]))
    with pytest.raises(ValueError, match="2 items but 1 categories"):
        stratify(right, ["a"])


def test_a_policy_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="strong_margin"):
        Policy(strong_margin=5)


def _promoted(
    n_strong: int, n_new: int, strong: tuple[float, float], new: tuple[float, float], policy: Policy | None = None
) -> float:
    """Share of 800 simulated comparisons that promote; pairs are the true shares (fixed, broken)."""
    generator = np.random.default_rng(11)
    old_draws = generator.multinomial(n_strong, [*strong, 1 - sum(strong)], size=800).tolist()
    new_draws = generator.multinomial(n_new, [*new, 1 - sum(new)], size=800).tolist()
    outcomes = [
        decide(
            Strata(
                PairedCounts(r1 + r2, f1 + f2, b1 + b2, 0),
                target=PairedCounts(r2, f2, b2, 0),
                strong=PairedCounts(r1, f1, b1, 0),
            ),
            policy,
        ).outcome
        for (f1, b1, r1), (f2, b2, r2) in zip(old_draws, new_draws, strict=True)
    ]
    return float(np.mean([outcome is Outcome.PROMOTE for outcome in outcomes]))
