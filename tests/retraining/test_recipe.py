"""What is trained and tried, and which of it goes to the gate."""

import numpy as np
import pytest
from pydantic import ValidationError

from tuneloop.registry.policy import Policy
from tuneloop.retraining.model_selection import STRONG, TARGET, Stratum, choose, row_of, summarise
from tuneloop.retraining.recipe import Method, Recipe


def test_production_is_continued_and_four_blends_are_tried_unless_told_otherwise() -> None:
    recipe = Recipe()
    assert recipe.methods == (Method.CONTINUE,)
    assert recipe.blends == (0.3, 0.5, 0.7, 1.0)
    assert recipe.without_parent().methods == (Method.FROM_BASE,)
    assert recipe.without_parent().blends == (1.0,)


def test_one_method_and_one_blend_have_a_short_form() -> None:
    assert Recipe.model_validate({"method": "continue", "blend": 0.5}) == Recipe(
        methods=(Method.CONTINUE,), blends=(0.5,)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "continue", "methods": ["continue"]},
        {"methods": ["continue", "continue"]},
        {"blends": [0.5, 0.5]},
        {"blends": []},
        {"methods": []},
        {"blends": [0.0]},
        {"blend": 1.5},
    ],
)
def test_a_senseless_recipe_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(wrong)


def dev(strong: float, target: float | None = None) -> dict[str, Stratum]:
    """Scores in percent, alike for all examples, so that a difference is certain."""
    strata = {STRONG: Stratum(round(strong), (strong / 100,) * 100)}
    return strata if target is None else strata | {TARGET: Stratum(round(target / 2), (target / 100,) * 50)}


PRODUCTION = dev(88.4, 45.6)


@pytest.mark.parametrize(
    ("tried", "wins"),
    [
        # The whole new adapter gains most on the target, and would hardly pass on strong categories.
        ([dev(88.9, 60.0), dev(89.5, 82.2), dev(87.0, 92.2)], 1),
        # Nothing keeps the strong ones: the least loss goes, for the gate to judge.
        ([dev(80.0, 99.0), dev(86.0, 90.0)], 1),
        # Both keep them about as well: the larger gain goes.
        ([dev(89.0, 47.0), dev(88.5, 52.0)], 1),
        ([dev(89.0, 80.0), dev(90.0, 85.0)], 1),
    ],
)
def test_the_gate_gets_the_largest_gain_that_may_pass(tried: list[dict[str, Stratum]], wins: int) -> None:
    whole = [1.0] * len(tried)
    assert choose(PRODUCTION, tried, whole, Policy()) == wins
    assert choose(PRODUCTION, tried[::-1], whole, Policy()) == len(tried) - 1 - wins


def test_a_few_noisy_examples_do_not_outweigh_a_large_gain() -> None:
    noise = np.random.default_rng(0)

    def noisy(strong: float, target: float) -> dict[str, Stratum]:
        scores = np.clip(strong + 0.25 * noise.standard_normal(25), 0, 1)
        return {STRONG: Stratum(20, tuple(scores.tolist())), TARGET: Stratum(5, (target,) * 6)}

    assert choose(noisy(0.90, 0.0), [noisy(0.88, 0.2), noisy(0.84, 0.85)], [1.0, 1.0], Policy()) == 1


def test_where_few_examples_tell_nothing_the_usual_cost_of_a_larger_share_decides() -> None:
    """A tenth more on the target is not worth what whole adapters do to strong categories; twice as much is."""
    noise = np.random.default_rng(0)

    def noisy(target: float) -> dict[str, Stratum]:
        scores = np.clip(0.9 + 0.25 * noise.standard_normal(25), 0, 1)
        return {STRONG: Stratum(20, tuple(scores.tolist())), TARGET: Stratum(5, (target,) * 6)}

    assert choose(noisy(0.0), [noisy(0.75), noisy(0.85)], [0.7, 1.0], Policy()) == 0
    assert choose(noisy(0.0), [noisy(0.35), noisy(0.85)], [0.7, 1.0], Policy()) == 1


def test_without_production_or_target_there_is_still_a_choice() -> None:
    assert choose({}, [dev(80.0), dev(90.0)], [0.5, 1.0], Policy()) == 1
    assert choose(dev(88.0), [dev(70.0), dev(88.0), dev(80.0)], [1.0] * 3, Policy()) == 1
    with pytest.raises(ValueError, match="nothing to choose"):
        choose({}, [], [], Policy())


def test_scores_are_summed_by_stratum_with_production_beside_them() -> None:
    found = summarise([STRONG, TARGET, STRONG], [True, False, False], [0.9, 0.2, 0.5])
    assert found == {STRONG: Stratum(1, (0.9, 0.5)), TARGET: Stratum(0, (0.2,))}
    row = row_of(found, {STRONG: Stratum(2, (1.0, 1.0))})
    assert row[STRONG]["production"] == {"n": 2, "correct": 2, "score": 1.0}
    assert (row[TARGET]["n"], row[TARGET]["production"]) == (1, None)
    assert summarise([], [], []) == {}
