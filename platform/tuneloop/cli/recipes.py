"""The options of a training run, shared by `train` and `retrain`."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

_OPTIONS: dict[str, Any] = {
    "epochs": Annotated[int | None, typer.Option(help="Passes over the training data.", min=1, max=20)],
    "peak_lr": Annotated[float | None, typer.Option(help="Highest learning rate.", max=0.1)],
    "all_layers": Annotated[
        bool | None, typer.Option("--all-layers", help="Retrain every layer, not the last third of them: slower.")
    ],
    "rank": Annotated[int | None, typer.Option(help="Rank of the adapter.", min=1, max=256)],
    "alpha": Annotated[int | None, typer.Option(help="Scale of the adapter.", min=1, max=1024)],
    "new_share": Annotated[float | None, typer.Option(help="Share of new examples in each batch, from 0 to 1.")],
    "blends": Annotated[
        list[float] | None,
        typer.Option("--blend", help="Share of the new adapter in what is served, up to 1; may be repeated."),
    ],
    "dev_share": Annotated[float | None, typer.Option(help="Share of the data held back for choosing a blend.")],
    "further_attempts": Annotated[
        int | None, typer.Option(help="Candidates that may follow one that the gate turned down.", min=0, max=2)
    ],
    "seed": Annotated[int | None, typer.Option(help="Same seed, data and machine: same weights.", min=0)],
}
_METHODS = {
    "from_base": (["from_base"], "Start from the base instead of from production."),
    "try_base": (["continue", "from_base"], "Try a fresh start from the base too: takes several times as long."),
}


def with_recipe(body: Callable[..., None]) -> Callable[..., None]:
    """Replaces the parameter `recipe` of a command by one option per field of the API's recipe.

    The recipe holds what was chosen; the rest is left to the server's defaults.
    """

    def run(*given: Any, **named: Any) -> None:
        methods = [chosen for name, (chosen, _) in _METHODS.items() if named.pop(name)]
        recipe: dict[str, Any] = {"methods": methods[-1]} if methods else {}
        for name in _OPTIONS:
            value = named.pop(name)
            if value not in (None, []):
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
    methods = [
        inspect.Parameter(name, keyword, default=False, annotation=_flag(name, text))
        for name, (_, text) in _METHODS.items()
    ]
    own = [parameter.replace(kind=keyword) for parameter in rest if parameter.name != "recipe"]
    return [first, *own, *methods, *chosen]


def _flag(name: str, text: str) -> Any:
    return Annotated[bool, typer.Option(f"--{name.replace('_', '-')}", help=text)]
