"""`tuneloop version`: what was built, from what, and its files."""

import os
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.console import Group
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from tuneloop.cli.arguments import Model, NoWait, Version, given, path_of
from tuneloop.cli.cycle_view import render_cycle
from tuneloop.cli.follow import follow_cycle
from tuneloop.cli.render import Facts, Rows, right, short, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit.api_client import CHUNK_BYTES
from tuneloop.kit.figures import size
from tuneloop.registry.adapters.upload import ADAPTER_FILES
from tuneloop.registry.external_schemas import ExternalRead
from tuneloop.registry.names import ModelName
from tuneloop.registry.schemas import FileRead, VersionRead
from tuneloop.retraining.schemas import CycleRead

app = typer.Typer()

MOST_FILES = 50


@command(app, "list")
def index(terminal: Terminal, model: Model) -> None:
    """Versions, oldest first."""
    terminal.show(terminal.api.get(f"{path_of(model)}/versions", list[VersionRead]), VERSIONS)


@command(app, "show")
def show(terminal: Terminal, version: Version) -> None:
    """One version: where it came from, how it was trained and proven, its files."""
    terminal.show(terminal.api.get(_path(version), VersionRead), render_version)


@command(app, "download")
def download(
    terminal: Terminal,
    version: Version,
    file: Annotated[list[str] | None, typer.Option(help="Only this file. May be repeated.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write to; made if missing.", file_okay=False)] = None,
) -> None:
    """Download a version's files: adapter, manifest, model card, Modelfile."""
    reply = terminal.api.get(_path(version), VersionRead)
    found = reply.value
    folder = to or Path(found.name.replace("/", "-").replace("@", "-"))
    wanted = file or [each["name"] for each in found.files]
    for name in wanted:
        _fetch(terminal, version, name, folder)
    terminal.show(reply, lambda _: f"{len(wanted)} files in {folder}")


@command(app, "import")
def bring(
    terminal: Terminal,
    model: Model,
    folder: Annotated[Path, typer.Argument(help="Of a LoRA adapter, as PEFT saves it.", exists=True, file_okay=False)],
    no_wait: NoWait = False,
) -> None:
    """Bring a LoRA adapter that was trained elsewhere: it is built, evaluated and asked about like a retrain."""
    found = [path for path in sorted(folder.iterdir()) if path.is_file()][:MOST_FILES]
    with ExitStack() as opened:
        # Of other files the names alone are sent: they tell the server what is wrong where the two are missing.
        files = {
            path.name: opened.enter_context(path.open("rb")) if path.name in ADAPTER_FILES else b"" for path in found
        }
        reply = terminal.api.upload_files(f"{path_of(model)}/versions", CycleRead, files)
    terminal.show(reply if no_wait else follow_cycle(terminal, reply.value.id), render_cycle)


Input = Annotated[str | None, typer.Option(metavar="PRICE", help="For a million tokens of questions, such as 0.30.")]
Output = Annotated[str | None, typer.Option(metavar="PRICE", help="For a million tokens of answers, such as 1.20.")]
Currency = Annotated[str | None, typer.Option(help="Of the prices, such as usd.")]
EndsOn = Annotated[
    str | None, typer.Option(metavar="DATE", help="Last day of the service, such as 2027-01-14; else it is asked.")
]
KEY = "TUNELOOP_SERVICE_KEY"


@command(app, "add-external")
def add_external(
    terminal: Terminal,
    model: Model,
    url: Annotated[str, typer.Option(help="OpenAI-compatible service, such as https://api.openai.com/v1.")],
    service_model: Annotated[str, typer.Option("--model", help="The model's name there, such as ft:gpt-4o-mini:….")],
    key: Annotated[str | None, typer.Option(envvar=KEY, help="Key to the service; better in the environment.")] = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="The service asks for no key.")] = False,
    input_price: Input = None,
    output_price: Output = None,
    currency: Currency = None,
    ends_on: EndsOn = None,
) -> None:
    """Bring a model that somebody else hosts. Where nothing is in production yet, it is from now on."""
    secret = None if no_key else key or typer.prompt("Key to the service", hide_input=True, err=True)
    body = {"url": url, "model": service_model, "key": secret} | given(
        input_price=input_price, output_price=output_price, currency=currency, ends_on=ends_on
    )
    terminal.show(terminal.api.post(f"{path_of(model)}/external", ExternalRead, body), EXTERNAL)


@command(app, "list-external")
def list_external(terminal: Terminal, model: Model) -> None:
    """External versions: who answers, at what price and until when."""
    terminal.show(terminal.api.get(f"{path_of(model)}/external", list[ExternalRead]), EXTERNALS)


@command(app, "change-external")
def change_external(
    terminal: Terminal,
    version: Version,
    new_key: Annotated[bool, typer.Option("--new-key", help=f"Another key, from {KEY} or asked for.")] = False,
    input_price: Input = None,
    output_price: Output = None,
    currency: Currency = None,
    ends_on: EndsOn = None,
) -> None:
    """Change an external version's key, prices or last day."""
    secret = os.environ.get(KEY) or typer.prompt("Key to the service", hide_input=True, err=True) if new_key else None
    body = given(key=secret, input_price=input_price, output_price=output_price, currency=currency, ends_on=ends_on)
    if not body:
        raise typer.BadParameter("nothing to change; see 'tuneloop version change-external --help'")
    terminal.show(terminal.api.patch(_path(version).replace("/versions/", "/external/"), ExternalRead, body), EXTERNAL)


@command(app, "serve-external")
def serve_external(
    terminal: Terminal,
    version: Version,
    reason: Annotated[str, typer.Option(help="Why, for no gate has compared it; it stays in the audit log.")],
) -> None:
    """Put an external version into production in place of another one. Rolling back is possible."""
    digest = terminal.api.get(_path(version), VersionRead).value.digest
    path = _path(version).replace("/versions/", "/external/")
    terminal.show(terminal.api.post(f"{path}/serve", ExternalRead, {"digest": digest, "reason": reason}), EXTERNAL)


def render_version(version: VersionRead) -> Group:
    return stack(VERSION(version), FILES(version.files))


def _path(version: ModelName) -> str:
    if version.version is None:
        raise typer.BadParameter(f"name the version too, such as {version.client}/{version.model}@production")
    return f"{path_of(version)}/versions/{version.version}"


def _fetch(terminal: Terminal, version: ModelName, name: str, folder: Path) -> None:
    """Write a file under its name once it has arrived whole. A name never leads out of the folder."""
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise typer.BadParameter(f"{name!r} leads out of {folder}")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with terminal.api.download(f"{_path(version)}/files/{quote(name)}") as response:
        _write(terminal, response, partial, name)
    partial.replace(target)


def _write(terminal: Terminal, response: httpx.Response, path: Path, name: str) -> None:
    notes = terminal.out.notes
    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    quiet = terminal.out.json or not notes.is_terminal
    length = response.headers.get("content-length")
    with Progress(*columns, console=notes, disable=quiet) as bars, path.open("wb") as out:
        bar = bars.add_task(name, total=int(length) if length else None)
        for chunk in response.iter_bytes(CHUNK_BYTES):
            out.write(chunk)
            bars.advance(bar, len(chunk))


def _flat(values: dict[str, Any]) -> str:
    """Nested figures on lines of their own."""
    return "\n".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items())
    return str(value)


VERSIONS = Rows[VersionRead](
    whole("Version", lambda it: it.name),
    whole("Digest", lambda it: short(it.digest)),
    whole("Parent", lambda it: it.parent),
    right("Size", lambda it: size(sum(file.get("size", 0) for file in it.files))),
    text("Made", lambda it: it.created_at),
)
VERSION = Facts[VersionRead](
    ("Version", lambda it: it.name),
    ("Digest", lambda it: it.digest),
    ("Parent", lambda it: it.parent or ("none: trained from the base" if it.snapshot_id else "none")),
    ("Training data", lambda it: f"snapshot {it.snapshot_id}" if it.snapshot_id else f"not known: {it.origin}"),
    ("Training", lambda it: _flat(it.training)),
    ("Parity", lambda it: _flat(it.parity)),
    ("Made", lambda it: it.created_at),
)
FILES = Rows[FileRead](
    text("File", lambda it: it["name"]),
    right("Size", lambda it: size(it.get("size", 0))),
    whole("sha256", lambda it: short(it["sha256"])),
)


def _price(value: Decimal | None, currency: str) -> str | None:
    return None if value is None else f"{value} {currency}"


def _prices(it: ExternalRead) -> str | None:
    asked, said = _price(it.input_price, it.currency), _price(it.output_price, it.currency)
    return f"{asked or '-'} in, {said or '-'} out, for a million tokens" if asked or said else None


def _last_day(it: ExternalRead) -> str | None:
    said_by = "typed in" if it.end_is_typed else "the service says so"
    return f"{it.ends_on.isoformat()} ({said_by})" if it.ends_on else None


EXTERNALS = Rows[ExternalRead](
    whole("Version", lambda it: it.name),
    text("Service", lambda it: it.url),
    text("Model", lambda it: it.model),
    text("Last day", lambda it: it.ends_on.isoformat() if it.ends_on else None),
    text("Problem", lambda it: it.problem),
)
EXTERNAL = Facts[ExternalRead](
    ("Version", lambda it: it.name),
    ("Service", lambda it: it.url),
    ("Model", lambda it: it.model),
    ("Key", lambda it: "kept" if it.has_key else "none"),
    ("Confidence", lambda it: "from log-probabilities" if it.gives_confidence else "none: the service tells none"),
    ("Prices", _prices),
    ("Last day", _last_day),
    ("Problem", lambda it: it.problem),
    ("Checked", lambda it: it.checked_at),
)
