import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.stats.labels import labelled, plain
from tuneloop.stats.alpha_spending import Spending, spent
from tuneloop.stats.evidence import Evidence, Group, Label
from tuneloop.stats.paired import PairedCounts, tango_interval, tango_score
from tuneloop.stats.sequential import Decision, DisagreementTest

MARGIN = 0.02


def evidence(group: Group, labels: int, fixed: int, broken: int) -> Evidence:
    settled = [(1, 0)] * fixed + [(0, 1)] * broken + [(0, 0)] * (labels - fixed - broken)
    return Evidence.before(group).after(*(Label(0, True, "", *each) for each in settled))


def boundaries(planned: int, possible: int, alpha: float) -> list[float]:
    """Of a test that looks after every label."""
    spending = Spending(planned, possible, alpha)
    return [spending.look(labels) for labels in range(1, possible + 1)]


def test_the_chance_to_cross_by_each_look_is_what_the_spending_function_allows() -> None:
    """Exact for a walk of plus and minus one, whose steps are as large as a step can be."""
    planned = 200
    bounds = boundaries(planned, planned, 0.05)
    chance = np.zeros(2 * planned + 1)
    chance[planned] = 1.0
    position = np.arange(-planned, planned + 1)
    crossed = 0.0
    for look, bound in enumerate(bounds, start=1):
        chance = (np.roll(chance, 1) + np.roll(chance, -1)) / 2
        over = position / math.sqrt(look) >= bound
        crossed += chance[over].sum()
        chance[over] = 0.0
        assert crossed <= 0.05 * spent(look / planned) * 1.15 + 0.0005
    assert crossed == pytest.approx(0.05, abs=0.006)  # the last boundary lies between two positions of the walk


def test_a_single_look_has_the_usual_boundary() -> None:
    assert boundaries(1, 1, 0.05)[0] == pytest.approx(stats.norm.isf(0.05), abs=0.01)


def test_fewer_looks_have_lower_boundaries() -> None:
    every_label, two_looks = Spending(100, 100, 0.05), Spending(100, 100, 0.05)
    often = [every_label.look(labels) for labels in range(1, 101)]
    assert two_looks.peek(50) == two_looks.look(50) < often[49]
    assert two_looks.look(100) < often[99]
    with pytest.raises(ValueError, match="next look"):
        two_looks.look(100)


def test_a_twentieth_of_the_error_is_kept_for_labels_beyond_the_plan() -> None:
    assert len(boundaries(100, 150, 0.05)) == 150
    assert boundaries(100, 150, 0.05)[99] > boundaries(100, 100, 0.05)[99]


def test_with_every_disagreement_labelled_the_score_is_tangos() -> None:
    known = evidence(Group.plain(1000, 60), labels=60, fixed=25, broken=20)
    counts = PairedCounts(940, 25, 20, 15)
    for difference in (-0.05, -0.02, 0.0, 0.03):
        assert known.score(difference) == pytest.approx(tango_score(counts, difference))


def test_the_variance_of_a_half_labelled_queue_is_that_of_simulated_queues() -> None:
    generator = np.random.default_rng(1)
    queries, share, fixed, broken = 1500, 0.08, 0.35, 0.5
    truth = share * (fixed - broken)
    scores = []
    for disagreements in generator.binomial(queries, share, 1500).tolist():
        labels = disagreements // 2
        f, b, _ = generator.multinomial(labels, [fixed, broken, 1 - fixed - broken])
        scores.append(evidence(Group.plain(queries, disagreements), labels, int(f), int(b)).score(truth))
    assert np.mean(scores) == pytest.approx(0.0, abs=0.06)
    assert np.std(scores) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("share", "neither", "queries"),
    [(0.07, 0.0, 1428), (0.12, 0.1, 833), (0.10, 0.3, 3000)],
)
def test_a_candidate_worse_by_the_margin_is_accepted_in_at_most_five_percent(
    share: float, neither: float, queries: int
) -> None:
    accepted = [decision.non_inferior for decision in _years(share, neither, queries, difference=-MARGIN)]
    assert np.mean(accepted) <= 0.05 + 0.025


def test_an_equal_candidate_is_called_superior_or_harmful_in_at_most_five_percent() -> None:
    decisions = _years(0.07, 0.2, 1428, difference=0.0)
    assert np.mean([decision.superior for decision in decisions]) <= 0.05 + 0.025
    assert np.mean([decision.harmful for decision in decisions]) <= 0.01


def test_a_hundred_labels_settle_what_they_can() -> None:
    equal = _years(0.07, 1 / 3, 1428, difference=0.0)
    better = _years(0.07, 0.0, 1428, difference=0.02)
    assert np.mean([decision.non_inferior for decision in equal]) >= 0.93
    assert np.mean([decision.non_inferior for decision in better]) >= 0.99
    assert np.median([decision.labels_used for decision in better]) <= 40


def test_a_clearly_worse_candidate_is_called_harmful_early() -> None:
    decisions = _years(0.10, 0.0, 1500, difference=-0.06)
    assert np.mean([decision.harmful for decision in decisions]) >= 0.95
    assert np.median([decision.labels_used for decision in decisions]) <= 60


def test_equal_answers_everywhere_need_no_label() -> None:
    decision = DisagreementTest(Group.plain(1000, 0)).decision
    assert decision.non_inferior
    assert (decision.labels_used, decision.labels_needed) == (0, 0)
    assert -0.02 <= decision.difference.low <= 0 <= decision.difference.high


def test_so_few_disagreements_that_even_their_loss_is_within_the_margin_need_no_label() -> None:
    assert DisagreementTest(Group.plain(5000, 20)).decision.non_inferior
    assert not DisagreementTest(Group.plain(1000, 40)).decision.non_inferior


def test_a_proof_is_not_taken_back_by_later_labels() -> None:
    test = labelled(Group.plain(1000, 80), 40, 0)
    assert test.decision.non_inferior
    test.settle(*plain(0, 40))
    assert test.decision.non_inferior


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8),
    st.integers(0, 100),
)
@settings(max_examples=40)
def test_every_look_is_consistent_in_itself(looks: list[tuple[int, int, int]], spare: int) -> None:
    total = sum(map(sum, looks))
    test = DisagreementTest(Group.plain(10 * (total + spare) + 1, total + spare))
    for look in looks:
        test.settle(*plain(*look))
        decision = test.decision
        assert not (decision.non_inferior and decision.harmful)
        assert (decision.labels_needed > 0) == (not (decision.non_inferior or decision.harmful))
        assert decision.difference.low <= decision.estimate <= decision.difference.high


def test_the_final_interval_is_tangos_at_the_level_that_is_left() -> None:
    decision = labelled(Group.plain(1428, 100), 52, 40, 8, margin=0.001).decision
    fixed_sample = tango_interval(PairedCounts(1336, 52, 40, 0), 0.90)
    assert decision.difference.low == pytest.approx(fixed_sample.low, abs=0.0006)
    assert decision.difference.high == pytest.approx(fixed_sample.high, abs=0.0006)


def test_impossible_tests_and_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="disagreements <= queries"):
        DisagreementTest(Group.plain(10, 11))
    with pytest.raises(ValueError, match="margin"):
        DisagreementTest(Group.plain(10, 1), margin=2)
    with pytest.raises(ValueError, match="only 5 answers differ"):
        labelled(Group.plain(10, 5), 3, 3)


def _years(share: float, neither: float, queries: int, *, difference: float, runs: int = 400) -> list[Decision]:
    """Gates with at most 100 labels, looked at after every ten, stopped at the first decision on non-inferiority."""
    generator = np.random.default_rng(8)
    discordant = 1 - neither
    lean = difference / share
    chances = [(discordant + lean) / 2, (discordant - lean) / 2, neither]
    found = []
    for disagreements in generator.binomial(queries, share, runs).tolist():
        test = DisagreementTest(Group.plain(queries, disagreements), margin=MARGIN)
        used, most = 0, min(disagreements, 100)
        while not test.settled and used < most:
            batch = min(10, most - used)
            used += batch
            test.settle(*plain(*generator.multinomial(batch, chances).tolist()))
        found.append(test.decision)
    return found
