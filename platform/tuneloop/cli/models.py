"""`tuneloop model`: registered models and what their next version is built with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.arguments import Model, pairs
from tuneloop.cli.http import model_path
from tuneloop.cli.output import facts, stack, table, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.registry.contract import Quantisation, Task, Template

app = typer.Typer(no_args_is_help=True, help="Registered models: contract, policy, aliases.")

PROMPT_SHOWN = 400
TextFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, allow_dash=True, help="UTF-8 text; '-' reads stdin.")
]
Policy = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="A threshold, such as overall_margin=0.03. May be repeated."),
]

GroupOf = Annotated[
    list[str] | None,
    typer.Option(metavar="LABEL=GROUP", help="The group of a label; evaluations report groups too. May be repeated."),
]


@command(app, "add")
def add(
    terminal: Terminal,
    model: Model,
    base: Annotated[str, typer.Option(help="A base model; see 'tuneloop base list'.")],
    task: Annotated[Task, typer.Option(help="classify into labels, or generate text.")],
    label: Annotated[list[str] | None, typer.Option(help="A label. May be repeated.")] = None,
    labels_file: TextFile = None,
    group: GroupOf = None,
    system_prompt: Annotated[str | None, typer.Option(help="What the model is told before every request.")] = None,
    system_prompt_file: TextFile = None,
    facts_file: TextFile = None,
    template: Annotated[Template, typer.Option(help="How a prompt is laid out.")] = Template.PLAIN,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, in tokens.", min=1)] = None,
    temperature: Annotated[float | None, typer.Option(help="0 always takes the likeliest token.", min=0)] = None,
    stop: Annotated[list[str] | None, typer.Option(help="Ends an answer. May be repeated.")] = None,
    policy: Policy = None,
    quantisation: Annotated[
        Quantisation | None, typer.Option(help="Also ship merged GGUF files down to this quantisation.")
    ] = None,
) -> None:
    """Register a model of a client."""
    prompt = system_prompt if system_prompt is not None else _read(system_prompt_file)
    if prompt is None:
        raise typer.BadParameter("give --system-prompt or --system-prompt-file")
    decoding = {"max_tokens": max_tokens, "temperature": temperature, "stop": stop}
    body = {
        "slug": model.model,
        "base": base,
        "contract": {
            "task": task,
            "system_prompt": prompt,
            "template": template,
            "facts": _read(facts_file) or "",
            "labels": [*(label or []), *_lines(_read(labels_file))],
            "groups": pairs(group),
            "decoding": {name: value for name, value in decoding.items() if value is not None},
        },
        "policy": pairs(policy),
        "quantisation": quantisation,
    }
    terminal.out.show(terminal.api.post(f"/models/{model.client}", body), render_model)


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Models you may see, with their versions in production."""
    terminal.out.show(terminal.api.get("/models"), render_models)


@command(app, "show")
def show(terminal: Terminal, model: Model) -> None:
    """One model: prompt, labels, thresholds, aliases."""
    terminal.out.show(terminal.api.get(model_path(model.client, model.model)), render_model)


@command(app, "change")
def change(
    terminal: Terminal,
    model: Model,
    add_label: Annotated[list[str] | None, typer.Option(help="A further label. May be repeated.")] = None,
    group: GroupOf = None,
    system_prompt_file: TextFile = None,
    facts_file: TextFile = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, in tokens.", min=1)] = None,
    policy: Policy = None,
) -> None:
    """Change what the next version is built and judged with. Versions that exist stay as they are."""
    path = model_path(model.client, model.model)
    known = terminal.api.get(path).value
    contract = known["contract"] | {"labels": [*known["contract"]["labels"], *(add_label or [])]}
    contract["groups"] = contract["groups"] | pairs(group)
    if system_prompt_file is not None:
        contract["system_prompt"] = _read(system_prompt_file)
    if facts_file is not None:
        contract["facts"] = _read(facts_file)
    if max_tokens is not None:
        contract["decoding"] = contract["decoding"] | {"max_tokens": max_tokens}
    wanted: dict[str, Any] = {}
    if contract != known["contract"]:
        wanted["contract"] = contract
    if policy:
        wanted["policy"] = known["policy"] | pairs(policy)
    if not wanted:
        raise typer.BadParameter("nothing to change; see 'tuneloop model change --help'")
    terminal.out.show(terminal.api.patch(path, wanted), render_model)


def render_models(models: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Model"),
        "Task",
        whole("Base"),
        "Production",
        "Candidate",
        "Previous",
        "Since",
        rows=[
            (
                each["name"],
                each["contract"]["task"],
                each["base"],
                each["aliases"].get("production"),
                each["aliases"].get("candidate"),
                each["aliases"].get("previous"),
                figures.moment(each["created_at"]),
            )
            for each in models
        ],
    )


def render_model(model: dict[str, Any]) -> Group:
    contract, decoding = model["contract"], model["contract"]["decoding"]
    return stack(
        facts(
            [
                ("Model", model["name"]),
                ("Task", contract["task"]),
                ("Base", model["base"]),
                ("Labels", ", ".join(contract["labels"])),
                ("Groups", ", ".join(f"{label}={name}" for label, name in contract["groups"].items())),
                ("System prompt", _shortened(contract["system_prompt"])),
                ("Facts", _shortened(contract["facts"])),
                ("Template", contract["template"]),
                ("Decoding", f"up to {decoding['max_tokens']} tokens, temperature {decoding['temperature']:g}"),
                ("Merged files", model["quantisation"]),
                *((alias.capitalize(), f"{model['name']}@{number}") for alias, number in model["aliases"].items()),
                ("Policy", ", ".join(f"{name}={_setting(value)}" for name, value in model["policy"].items())),
            ]
        )
    )


def _shortened(text: str) -> str:
    return text if len(text) <= PROMPT_SHOWN else f"{text[:PROMPT_SHOWN]}\u2026 ({len(text)} characters)"


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return (typer.get_binary_stream("stdin").read() if str(path) == "-" else path.read_bytes()).decode("utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def _setting(value: float | bool | None) -> str:
    if value is None:
        return "by plan"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
