"""Golden items and labelled differences are one body of evidence, and err as one."""

from collections.abc import Iterator
from itertools import chain, repeat

import numpy as np
import pytest

from tuneloop.stats.attempts import alpha_of
from tuneloop.stats.evidence import Group
from tuneloop.stats.gate import STRONG, TARGET, Policy, decide, objected
from tuneloop.stats.gate_tests import CheckResult
from tuneloop.stats.outcome import Outcome
from tuneloop.stats.paired import PairedCounts
from tuneloop.stats.queue import in_order, order
from tuneloop.stats.sequential import DisagreementTest
from tuneloop.stats.strata import Strata
from tuneloop.stats.weighing import Answered, Judged, Weighing

FIRST = Policy(alpha=alpha_of(1, 0.05))
STRONG_ONES = [f"strong {number}" for number in range(19)]
NEW_ONES = [f"new {number}" for number in range(5)]


def spread(count: int, names: list[str]) -> dict[str, int]:
    """As evenly as can be."""
    return {name: count // len(names) + (place < count % len(names)) for place, name in enumerate(names)}


def tables(names: list[str], *, both: int, fixed: int, broken: int, neither: int) -> dict[str, PairedCounts]:
    parts = [spread(count, names) for count in (both, fixed, broken, neither)]
    return {name: PairedCounts(*(part[name] for part in parts)) for name in names}


def pooled(golden: dict[str, PairedCounts]) -> PairedCounts:
    return PairedCounts(
        *np.sum([[t.both_right, t.fixed, t.broken, t.both_wrong] for t in golden.values()], axis=0).tolist()
    )


def intents(fixed: int, broken: int) -> tuple[Strata, Answered]:
    """24 intents: new 19 → 99 % on 81 golden items, strong 96 → 96 % on 296, 402 of 1,500 answers differ."""
    new = tables(NEW_ONES, both=15, fixed=65, broken=0, neither=1)
    strong = tables(STRONG_ONES, both=284 - broken, fixed=fixed, broken=broken, neither=12 - fixed)
    golden = {**new, **strong}
    strata = Strata(pooled(golden), target=pooled(new), strong=pooled(strong), categories=golden)
    lost, gained = cycled(STRONG_ONES), cycled(NEW_ONES)
    pairs = [(next(lost), next(gained)) for _ in range(270)] + [(next(lost), next(lost)) for _ in range(132)]
    return strata, Answered(1500, 402, {**spread(60, NEW_ONES), **spread(1038, STRONG_ONES)}, pairs)


def cycled(names: list[str]) -> Iterator[str]:
    return chain.from_iterable(repeat(names))


def labels_of(fixed: int, broken: int, neither: int, gained: int) -> list[Judged]:
    """Strong ones without an answer of a new category, and gains of these."""
    strong = [(False, True)] * fixed + [(True, False)] * broken + [(False, False)] * neither
    names = cycled(STRONG_ONES)
    return [
        *(Judged(next(names), production, candidate) for production, candidate in strong),
        *(Judged(NEW_ONES[place % 5], False, True, near=True) for place in range(gained)),
    ]


@pytest.mark.parametrize(("fixed", "broken"), [(8, 9), (9, 10)])
def test_a_plainly_good_candidate_is_promoted_at_once(fixed: int, broken: int) -> None:
    """Labels alone say -1.5 points of strong categories and leave a loss of 3 open; golden items alone prove little."""
    strata, answered = intents(fixed, broken)
    weighing = Weighing(answered, strata.categories, target=NEW_ONES, policy=FIRST, budget=100)
    weighing.look(labels_of(12, 17, 9, 79))
    verdict = decide(strata, FIRST, weighing.found)
    assert verdict.outcome is Outcome.PROMOTE
    assert verdict.labels_needed == 0

    alone = Weighing(answered, {}, target=NEW_ONES, policy=FIRST, budget=100)
    alone.look(labels_of(12, 17, 9, 79))
    strong = alone.found.strong
    assert strong is not None
    assert strong.estimate == pytest.approx(-0.015, abs=0.001)
    assert not strong.non_inferior


def test_the_reasons_name_both_sources_and_the_traffic_they_speak_of() -> None:
    strata, answered = intents(8, 9)
    weighing = Weighing(answered, strata.categories, target=NEW_ONES, policy=FIRST, budget=100)
    weighing.look(labels_of(12, 17, 9, 79))
    (reason,) = [each for each in decide(strata, FIRST, weighing.found).reasons if each.startswith(STRONG)]
    assert reason == (
        "Previously strong categories: 96 % (93\N{EN DASH}98 %) → 96 % (93\N{EN DASH}97 %) "
        "on 296 golden items, 8 fixed, 9 broken; "
        "with 117 labels of 402 differing answers, -1.0 points (-2.9 to +0.9) on its 1170 queries; "
        "a loss of more than 3 points is ruled out."
    )


def test_golden_items_that_decide_by_themselves_ask_for_no_label() -> None:
    strata, answered = intents(2, 1)
    verdict = decide(
        strata, FIRST, Weighing(answered, strata.categories, target=NEW_ONES, policy=FIRST, budget=100).found
    )
    assert (verdict.outcome, verdict.labels_needed) == (Outcome.PROMOTE, 0)


def test_what_golden_items_leave_open_names_the_labels_that_are_missing() -> None:
    strata, answered = intents(8, 9)
    verdict = decide(
        strata, FIRST, Weighing(answered, strata.categories, target=NEW_ONES, policy=FIRST, budget=100).found
    )
    assert verdict.outcome is Outcome.NEED_MORE_LABELS
    assert 20 < verdict.labels_needed < 200
    assert verdict.reasons[0].startswith(STRONG)
    assert "0 labels of 402 differing answers" in verdict.reasons[0]


def test_either_source_proves_a_loss_by_itself() -> None:
    strata, answered = intents(8, 9)
    weighing = Weighing(answered, strata.categories, target=NEW_ONES, policy=FIRST, budget=100)
    weighing.look(labels_of(2, 40, 0, 40))
    by_labels = decide(strata, FIRST, weighing.found)
    assert by_labels.outcome is Outcome.REJECT
    assert "is proven by the labels" in by_labels.reasons[0]

    harmed, answered = intents(2, 40)
    weighing = Weighing(answered, harmed.categories, target=NEW_ONES, policy=FIRST, budget=100)
    weighing.look(labels_of(12, 12, 14, 79))
    by_items = decide(harmed, FIRST, weighing.found)
    assert by_items.outcome is Outcome.REJECT
    assert by_items.reasons[0].startswith(STRONG)
    assert objected(harmed, FIRST)
    assert not objected(strata, FIRST)


def test_a_gain_that_golden_items_of_a_fallen_category_do_not_show_is_left_to_the_labels() -> None:
    """Both versions are right on all 60 old items; only today's traffic has what production gets wrong."""
    golden = {"fallen": PairedCounts(60, 0, 0, 0), "other": PairedCounts(200, 2, 2, 6)}
    strata = Strata(pooled(golden), target=golden["fallen"], strong=golden["other"], categories=golden)
    answered = Answered(1000, 60, {"fallen": 100, "other": 840}, [("other", "fallen")] * 60)
    weighing = Weighing(answered, golden, target=["fallen"], policy=FIRST, budget=100)
    assert not objected(strata, FIRST)
    assert decide(strata, FIRST, weighing.found).outcome is Outcome.NEED_MORE_LABELS
    weighing.look([Judged("fallen", production=False, candidate=True, near=True)] * 30)
    (target,) = [check for check in decide(strata, FIRST, weighing.found).checks if check.name == TARGET]
    assert target.finding is CheckResult.PROVEN


def test_pairs_apart_from_the_target_are_labelled_at_twice_the_rate() -> None:
    kinds = order(90, 90)
    assert np.bincount(kinds).tolist() == [90, 90]
    for labels in (30, 60, 90, 120):
        assert np.bincount(kinds[:labels]).tolist() == pytest.approx([2 * labels / 3, labels / 3], abs=1)
    assert set(kinds[140:]) == {1}
    assert in_order(["a", "B", "c", "D"], [False, True, False, True]) == ["a", "B", "c", "D"]
    assert in_order([], []) == []


def test_a_loss_of_the_margin_is_called_kept_in_at_most_five_percent() -> None:
    """The weights are right only if golden items and labels of unlike share, mix and rate agree about the variance."""
    generator = np.random.default_rng(5)
    shares, chances = (
        np.array([0.45, 0.25, 0.15, 0.1, 0.05]),
        [[0.01, 0.04], [0.03, 0.06], [0.0, 0.03], [0, 0.03], [0, 0.03]],
    )
    names = [f"c{number}" for number in range(5)]
    kept = []
    for _ in range(500):
        items = [generator.multinomial(60, [*chance, 1 - sum(chance)]).tolist() for chance in chances[:4]]
        golden = {name: PairedCounts(rest, f, b, 0) for name, (f, b, rest) in zip(names[:4], items, strict=True)}
        queries = generator.multinomial(1500, shares)
        found = [
            generator.multinomial(n, [*chance, 1 - sum(chance)]) for n, chance in zip(queries, chances, strict=True)
        ]
        labels = [
            Judged(name, right == 1, right == 0)
            for name, counts in zip(names, found, strict=True)
            for right in (0, 1)
            for _ in range(counts[right])
        ]
        agreed = {name: int(counts[2]) for name, counts in zip(names, found, strict=True)}
        pairs = [(each.category, "other") for each in labels]
        policy = Policy(overall_margin=0.03)
        weighing = Weighing(Answered(1500, len(labels), agreed, pairs), golden, target=[], policy=policy, budget=60)
        shuffled = [labels[place] for place in generator.permutation(len(labels))]
        for start in (0, 20, 40):
            weighing.look(shuffled[start : start + 20])
        kept.append("non_inferior" in weighing.overall.proven)
    assert np.mean(kept) <= 0.05 + 0.02


def test_unlike_categories_do_not_shrink_the_error() -> None:
    """A gain of a few golden items in a large category must not look as sure as the many items of a small one."""
    few = {"large": PairedCounts(0, 3, 0, 0), "small": PairedCounts(400, 3, 3, 4)}
    group = Group.of({"large": 900.0, "small": 600.0}, few, agreed=1400, differing=(100, 0))
    assert "non_inferior" not in DisagreementTest(group, margin=0.02).proven
