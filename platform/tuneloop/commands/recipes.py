"""The options of a training run, shared by `train` and `retrain`."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

_OPTIONS: dict[str, Any] = {
    "epochs": Annotated[int | None, typer.Option(help="Passes over the training data.", min=1, max=20)],
    "peak_lr": Annotated[float | None, typer.Option(help="Highest learning rate.", max=0.1)],
    "rank": Annotated[int | None, typer.Option(help="Rank of the adapter.", min=1, max=256)],
    "alpha": Annotated[int | None, typer.Option(help="Scale of the adapter.", min=1, max=1024)],
    "new_share": Annotated[float | None, typer.Option(help="Share of new examples in each batch, from 0 to 1.")],
    "blend": Annotated[float | None, typer.Option(help="Share of the new adapter in what is served, up to 1.")],
    "dev_share": Annotated[float | None, typer.Option(help="Share of the data held back for stopping early.")],
    "seed": Annotated[int | None, typer.Option(help="Same seed, data and machine: same weights.", min=0)],
}
_FROM_BASE = Annotated[bool, typer.Option("--from-base", help="Start from the base instead of from production.")]


def with_recipe(body: Callable[..., None]) -> Callable[..., None]:
    """Replaces the parameter `recipe` of a command by one option per field of the API's recipe.

    The recipe holds what was chosen; the rest is left to the server's defaults.
    """

    def run(*given: Any, from_base: bool, **named: Any) -> None:
        recipe: dict[str, Any] = {"method": "from_base"} if from_base else {}
        for name in _OPTIONS:
            value = named.pop(name)
            if value is not None:
                recipe[name] = value
        body(*given, recipe=recipe, **named)

    run.__signature__ = inspect.Signature(_parameters(body))  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = body.__name__, body.__doc__
    return run


def _parameters(body: Callable[..., None]) -> list[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    first, *rest = inspect.signature(body).parameters.values()
    chosen = [
        inspect.Parameter(name, keyword, default=None, annotation=annotation) for name, annotation in _OPTIONS.items()
    ]
    from_base = inspect.Parameter("from_base", keyword, default=False, annotation=_FROM_BASE)
    own = [parameter.replace(kind=keyword) for parameter in rest if parameter.name != "recipe"]
    return [first, *own, from_base, *chosen]
