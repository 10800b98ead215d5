"""The recipe of a retrain after one whose candidate was turned down: what is changed, and why in words."""

from collections.abc import Collection
from typing import NamedTuple

from tuneloop.retraining.recipe import Method, Recipe

LARGEST_NEW_SHARE = 0.6


ALL_LAYERS_TIMES = 3.0
"""How many times as long as the last third all layers train: 2.8 a step, in docs/training.md."""


class Changed(NamedTuple):
    recipe: Recipe
    words: tuple[str, ...]


def changed_recipe(recipe: Recipe, *, lost: bool, short: bool, seeds: Collection[int]) -> Changed:
    """A seed that was not used, since the same one gives the same weights; gentler after a loss, more after no gain.

    A candidate that has `lost` what production knew sees more old examples in each batch and takes smaller steps; one
    that fell `short` of a gain more new ones.
    """
    seed = max([recipe.seed, *seeds]) + 1
    changes: dict[str, object] = {"seed": seed}
    words = [f"another seed ({seed})"]
    share = recipe.new_share
    if share is not None and lost != short:
        wanted = share / 2 if lost else max(share, min(LARGEST_NEW_SHARE, share * 1.5))
        if wanted != share:
            changes["new_share"] = wanted
            words.append(f"batches hold {100 * wanted:.0f} % new examples instead of {100 * share:.0f} %")
    if lost and recipe.peak_lr is not None:
        changes["peak_lr"] = recipe.peak_lr / 2
        words.append(f"the highest learning rate is {changes['peak_lr']:g} instead of {recipe.peak_lr:g}")
    return Changed(recipe.model_copy(update=changes), tuple(words))


def all_layers_recipe(recipe: Recipe) -> Changed | None:
    """The same with all layers, which have more room for what is new; None where they have been tried.

    A start from the base trains all of them. The seed stays, so that the layers are all that differs.
    """
    if recipe.all_layers or Method.FROM_BASE in recipe.methods:
        return None
    words = ("all layers learn, not the last third of them alone",)
    return Changed(recipe.model_copy(update={"all_layers": True}), words)
