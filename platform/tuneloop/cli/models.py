"""`tuneloop model`: registered models and what their next version is built with."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tuneloop.cli.arguments import Model, given, pairs, path_of
from tuneloop.cli.render import Facts, Rows, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.registry.contract import Decoding, Quantisation, Task, Template
from tuneloop.registry.policy import Policy
from tuneloop.registry.schemas import ModelRead
from tuneloop.tables import Alias

app = typer.Typer()

PROMPT_SHOWN = 400
TextFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, allow_dash=True, help="UTF-8 text; '-' reads stdin.")
]
PolicyOption = Annotated[
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
    policy: PolicyOption = None,
    quantisation: Annotated[
        Quantisation | None, typer.Option(help="Also ship merged GGUF files down to this quantisation.")
    ] = None,
) -> None:
    """Register a model of a client."""
    prompt = system_prompt if system_prompt is not None else _read(system_prompt_file)
    if prompt is None:
        raise typer.BadParameter("give --system-prompt or --system-prompt-file")
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
            "decoding": given(max_tokens=max_tokens, temperature=temperature, stop=stop),
        },
        "policy": pairs(policy),
        "quantisation": quantisation,
    }
    terminal.show(terminal.api.post(f"/models/{model.client}", ModelRead, body), MODEL)


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Models you may see, with their versions in production."""
    terminal.show(terminal.api.get("/models", list[ModelRead]), MODELS)


@command(app, "show")
def show(terminal: Terminal, model: Model) -> None:
    """One model: prompt, labels, thresholds, aliases."""
    terminal.show(terminal.api.get(path_of(model), ModelRead), MODEL)


@command(app, "change")
def change(
    terminal: Terminal,
    model: Model,
    add_label: Annotated[list[str] | None, typer.Option(help="A further label. May be repeated.")] = None,
    group: GroupOf = None,
    system_prompt_file: TextFile = None,
    facts_file: TextFile = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, in tokens.", min=1)] = None,
    policy: PolicyOption = None,
) -> None:
    """Change what the next version is built and judged with. Versions that exist stay as they are."""
    path = path_of(model)
    known = terminal.api.get(path, ModelRead).value
    before = known.contract.model_dump(mode="json")
    contract = before | given(
        labels=[*known.contract.labels, *(add_label or [])],
        groups=known.contract.groups | pairs(group),
        system_prompt=_read(system_prompt_file),
        facts=_read(facts_file),
        decoding=before["decoding"] | given(max_tokens=max_tokens),
    )
    wanted = given(
        contract=contract if contract != before else None,
        policy=known.policy.model_dump(mode="json") | pairs(policy) if policy else None,
    )
    if not wanted:
        raise typer.BadParameter("nothing to change; see 'tuneloop model change --help'")
    terminal.show(terminal.api.patch(path, ModelRead, wanted), MODEL)


def _alias(alias: Alias) -> Callable[[ModelRead], str | None]:
    return lambda model: f"{model.name}@{model.aliases[alias]}" if alias in model.aliases else None


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


def _decoding(decoding: Decoding) -> str:
    return f"up to {decoding.max_tokens} tokens, temperature {decoding.temperature:g}"


def _policy(policy: Policy) -> str:
    return ", ".join(f"{name}={_setting(value)}" for name, value in policy.model_dump().items())


MODELS = Rows[ModelRead](
    whole("Model", lambda it: it.name),
    text("Task", lambda it: it.contract.task),
    whole("Base", lambda it: it.base),
    text("Production", lambda it: it.aliases.get(Alias.PRODUCTION)),
    text("Candidate", lambda it: it.aliases.get(Alias.CANDIDATE)),
    text("Previous", lambda it: it.aliases.get(Alias.PREVIOUS)),
    text("Since", lambda it: it.created_at),
)
MODEL = Facts[ModelRead](
    ("Model", lambda it: it.name),
    ("Task", lambda it: it.contract.task),
    ("Base", lambda it: it.base),
    ("Labels", lambda it: ", ".join(it.contract.labels)),
    ("Groups", lambda it: ", ".join(f"{label}={name}" for label, name in it.contract.groups.items())),
    ("System prompt", lambda it: _shortened(it.contract.system_prompt)),
    ("Facts", lambda it: _shortened(it.contract.facts)),
    ("Template", lambda it: it.contract.template),
    ("Decoding", lambda it: _decoding(it.contract.decoding)),
    ("Merged files", lambda it: it.quantisation),
    *((alias.capitalize(), _alias(alias)) for alias in Alias),
    ("Policy", lambda it: _policy(it.policy)),
)
