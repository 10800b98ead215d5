"""The recipe of a retrain after one whose candidate was turned down: what is changed, and why in words."""

from collections.abc import Collection
from typing import NamedTuple

from tuneloop.retraining.recipe import Recipe

LARGEST_NEW_SHARE = 0.6


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
        changes["new_share"] = wanted
        words.append(f"batches hold {100 * wanted:.0f} % new examples instead of {100 * share:.0f} %")
    if lost and recipe.peak_lr is not None:
        changes["peak_lr"] = recipe.peak_lr / 2
        words.append(f"the highest learning rate is {changes['peak_lr']:g} instead of {recipe.peak_lr:g}")
    return Changed(recipe.model_copy(update=changes), tuple(words))
