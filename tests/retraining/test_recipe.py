"""What is trained and tried, and which of it goes to the gate."""

import pytest
from pydantic import ValidationError

from tuneloop.registry.policy import Policy
from tuneloop.retraining.choice import NEW, OLD, Stratum, choose, row_of, summarise
from tuneloop.retraining.recipe import Method, Recipe


def test_both_methods_and_four_blends_are_tried_unless_told_otherwise() -> None:
    recipe = Recipe()
    assert recipe.methods == (Method.CONTINUE, Method.FROM_BASE)
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


def dev(old: float, new: float | None = None) -> dict[str, Stratum]:
    """Scores in percent."""
    strata = {OLD: Stratum(100, round(old), old / 100)}
    return strata if new is None else strata | {NEW: Stratum(50, round(new / 2), new / 100)}


PRODUCTION = dev(88.4, 45.6)


@pytest.mark.parametrize(
    ("tried", "wins"),
    [
        # The whole new adapter gains most on the new examples, and would lose at the gate on the old ones.
        ([dev(88.9, 60.0), dev(89.5, 82.2), dev(87.0, 92.2)], 1),
        # Nothing keeps the old examples: the least loss goes, for the gate to judge.
        ([dev(80.0, 99.0), dev(86.0, 90.0)], 1),
        # Nothing gains what is worth a release: the most gain goes.
        ([dev(89.0, 47.0), dev(88.5, 52.0)], 1),
        # All demands are met by both: the better one overall.
        ([dev(89.0, 80.0), dev(90.0, 85.0)], 1),
    ],
)
def test_the_gate_gets_what_meets_its_demands_on_the_worst_stratum(tried: list[dict[str, Stratum]], wins: int) -> None:
    assert choose(PRODUCTION, tried, Policy()) == wins
    assert choose(PRODUCTION, tried[::-1], Policy()) == len(tried) - 1 - wins


def test_without_production_or_new_examples_there_is_still_a_choice() -> None:
    assert choose({}, [dev(80.0), dev(90.0)], Policy()) == 1
    assert choose(dev(88.0), [dev(70.0), dev(88.0), dev(80.0)], Policy()) == 1
    with pytest.raises(ValueError, match="nothing to choose"):
        choose({}, [], Policy())


def test_scores_are_summed_by_age_with_production_beside_them() -> None:
    found = summarise([OLD, NEW, OLD], [True, False, False], [0.9, 0.2, 0.5])
    assert found == {OLD: Stratum(2, 1, pytest.approx(0.7)), NEW: Stratum(1, 0, pytest.approx(0.2))}
    row = row_of(found, {OLD: Stratum(2, 2, 1.0)})
    assert row[OLD]["production"] == {"n": 2, "correct": 2, "score": 1.0}
    assert (row[NEW]["n"], row[NEW]["production"]) == (1, None)
    assert summarise([], [], []) == {}
