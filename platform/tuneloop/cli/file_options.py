"""A file that a command sends, and how it is to be read."""

import inspect
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple, TypeVar, cast

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from tuneloop.cli.output import Output
from tuneloop.cli.wiring import Body, Terminal
from tuneloop.datasets.row import Encoding
from tuneloop.kit.api_client import CHUNK_BYTES, ApiError, Reply

T = TypeVar("T")

MEDIA_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".json": "application/json",
}
"""A hint; the file's content decides."""

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSONL, JSON, CSV or an Excel workbook."),
]
TextName = Annotated[str | None, typer.Option("--text-column", metavar="NAME", help="Column of the texts.")]
LabelName = Annotated[str | None, typer.Option("--label-column", metavar="NAME", help="Column of the right answers.")]
CategoryName = Annotated[str | None, typer.Option("--category-column", metavar="NAME", help="Column of categories.")]
Mapped = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="THEIRS=OURS", help="A label of the file, and the model's; repeatable."),
]
Closest = Annotated[
    bool, typer.Option("--closest", help="Take a label that is not known for the one written most like it.")
]
EncodingOption = Annotated[
    Encoding | None, typer.Option("--encoding", help="What the file is written in, if letters look wrong.")
]


class FileChoice(NamedTuple):
    """Which columns and labels of a file mean what."""

    text_column: TextName = None
    label_column: LabelName = None
    category_column: CategoryName = None
    mapped: Mapped = None
    closest: Closest = False
    encoding: EncodingOption = None

    def query(self) -> dict[str, object]:
        given = self._asdict()
        return {"map": given.pop("mapped"), **given}


def takes_choice(body: Body) -> Body:
    """The command gets the options of FileChoice in place of its parameter `choice`."""
    own = [each for each in inspect.signature(body).parameters.values() if each.name != "choice"]
    options = inspect.signature(FileChoice).parameters.values()

    @wraps(body)
    def run(*args: Any, **given: Any) -> None:
        body(*args, choice=FileChoice(*(given.pop(name) for name in FileChoice._fields)), **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature([*own, *(each.replace(kind=keyword) for each in options)])  # type: ignore[attr-defined]
    return cast(Body, run)


def send_file(terminal: Terminal, file: Path, path: str, shape: type[T], **query: object) -> Reply[T]:
    """Raises ApiError, which names the option that takes the good rows."""
    media_type = MEDIA_TYPES.get(file.suffix.lower(), "application/octet-stream")
    with file.open("rb") as opened:
        sent = _progress(terminal.out, opened, file)
        try:
            return terminal.api.upload(path, shape, sent, media_type=media_type, **query)
        except ApiError as error:
            error.message = error.message.replace("'partial'", "--partial")
            raise


def _progress(out: Output, opened: IO[bytes], file: Path) -> Iterator[bytes]:
    """The file in chunks, with a bar on the terminal."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn()
    with Progress(*columns, console=out.notes, disable=out.json or not out.notes.is_terminal, transient=True) as bars:
        bar = bars.add_task(f"sending {file.name}", total=file.stat().st_size)
        while chunk := opened.read(CHUNK_BYTES):
            yield chunk
            bars.advance(bar, len(chunk))
