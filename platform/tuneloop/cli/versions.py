"""`tuneloop version`: what was built, from what, and its files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.console import Group
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.arguments import Model, Version
from tuneloop.cli.http import CHUNK_BYTES, model_path
from tuneloop.cli.output import facts, right, stack, table, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.registry.names import ModelName

app = typer.Typer(no_args_is_help=True, help="Versions of a model: lineage, proofs, files.")


@command(app, "list")
def index(terminal: Terminal, model: Model) -> None:
    """Versions, oldest first."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/versions"), render_versions)


@command(app, "show")
def show(terminal: Terminal, version: Version) -> None:
    """One version: where it came from, how it was trained and proven, its files."""
    terminal.out.show(terminal.api.get(_path(version)), render_version)


@command(app, "download")
def download(
    terminal: Terminal,
    version: Version,
    file: Annotated[list[str] | None, typer.Option(help="Only this file. May be repeated.")] = None,
    to: Annotated[Path | None, typer.Option(help="Folder to write to; made if missing.", file_okay=False)] = None,
) -> None:
    """Download a version's files: adapter, manifest, model card, Modelfile."""
    reply = terminal.api.get(_path(version))
    files = {each["name"]: each for each in reply.value["files"]}
    folder = to or Path(reply.value["name"].replace("/", "-").replace("@", "-"))
    wanted = file or list(files)
    for name in wanted:
        _fetch(terminal, version, name, folder)
    terminal.out.show(reply, lambda _: f"{len(wanted)} files in {folder}")


def render_versions(versions: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Version"),
        whole("Digest"),
        whole("Parent"),
        right("Size"),
        "Made",
        rows=[
            (
                each["name"],
                figures.digest(each["digest"]),
                each["parent"],
                figures.size(sum(file.get("size", 0) for file in each["files"])),
                figures.moment(each["created_at"]),
            )
            for each in versions
        ],
    )


def render_version(version: dict[str, Any]) -> Group:
    return stack(
        facts(
            [
                ("Version", version["name"]),
                ("Digest", version["digest"]),
                ("Parent", version["parent"] or "none: trained from the base"),
                ("Training data", f"snapshot {version['snapshot_id']}"),
                ("Training", _flat(version["training"])),
                ("Parity", _flat(version["parity"])),
                ("Made", figures.moment(version["created_at"])),
            ]
        ),
        table(
            "File",
            right("Size"),
            whole("sha256"),
            rows=[
                (each["name"], figures.size(each.get("size", 0)), figures.digest(each["sha256"]))
                for each in version["files"]
            ],
        ),
    )


def _path(version: ModelName) -> str:
    if version.version is None:
        raise typer.BadParameter(f"name the version too, such as {version.client}/{version.model}@production")
    return f"{model_path(version.client, version.model)}/versions/{version.version}"


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
