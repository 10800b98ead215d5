"""Files over HTTP: a request body to a temporary file, a temporary file to a response."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated

from anyio import to_thread
from litestar.background_tasks import BackgroundTask
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from tuneloop.datasets.row import Choice, Encoding, ExportFormat, ImportFormat
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput, TooLarge

JSONL_TYPE = "application/x-ndjson"
CSV_TYPE = "text/csv"
_FORMATS = {
    JSONL_TYPE: ImportFormat.JSONL,
    CSV_TYPE: ImportFormat.CSV,
    "application/jsonl": ImportFormat.JSONL,
    "application/json": ImportFormat.JSON,
}
_IN_MEMORY = 1 << 20
_CHUNK = 1 << 16


@dataclass
class ExamplesUpload(Operation):
    """The body is read as a stream, so the schema of the route names it here."""

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        jsonl = '{"text": "Where is my parcel?", "label": "order_status"}\n'
        self.request_body = RequestBody(
            required=True,
            description=(
                "JSON lines or a JSON list of chats (OpenAI, ShareGPT), prompt and completion, instruction and output "
                "(Alpaca) or text and label; or a table of texts and labels as CSV or an Excel workbook"
            ),
            content={
                JSONL_TYPE: OpenAPIMediaType(schema=text, example=jsonl),
                CSV_TYPE: OpenAPIMediaType(schema=text, example="text,label\nWhere is my parcel?,order_status\n"),
                "application/octet-stream": OpenAPIMediaType(schema=text),
            },
        )


def choice_of(
    request: HttpRequest,
    file_format: Annotated[ImportFormat | None, QueryParameter(name="format")] = None,
    encoding: FromQuery[Encoding | None] = None,
    text_column: FromQuery[str | None] = None,
    label_column: FromQuery[str | None] = None,
    category_column: FromQuery[str | None] = None,
    labels: Annotated[list[str] | None, QueryParameter(name="map")] = None,
    closest: FromQuery[bool] = False,
) -> Choice:
    """How the file of a request is to be read. What is left out is recognised.

    Args:
        labels: `map=theirs=ours`, once for each label that the file writes in another way.
        closest: take a label that is not known for the one that is written most like it.

    Raises:
        InvalidInput: the body is compressed, or a `map` is none.
    """
    sent = request.headers.get("content-encoding", "identity")
    if sent.lower() != "identity":
        raise InvalidInput(f"the body is compressed ({sent[:20]}); send it uncompressed")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Choice(
        file_format=file_format or _FORMATS.get(media_type),
        encoding=encoding,
        text=text_column,
        answer=label_column,
        category=category_column,
        labels=dict(_pair(each) for each in labels or ()),
        closest=closest,
    )


def _pair(mapped: str) -> tuple[str, str]:
    theirs, equals, ours = mapped.rpartition("=")
    if not (theirs and equals and ours):
        raise InvalidInput(f"map={mapped[:80]!r} is not the file's label, an equals sign and the model's label")
    return theirs, ours


async def received(request: HttpRequest, limit: int) -> IO[bytes]:
    """The request's body in a temporary file, on disk from 1 MiB on.

    Raises:
        TooLarge: there are more than `limit` bytes.
    """
    file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if max(size, request.content_length or 0) > limit:
            file.close()
            raise TooLarge(f"the file is larger than {limit >> 20} MiB; split it", limit=limit)
        await to_thread.run_sync(file.write, chunk)
    file.seek(0)
    return file


def download(chunks: Iterable[bytes], file_format: ExportFormat, name: str) -> Stream:
    """Everything is written before the first byte is sent: a slow reader holds a file, not a transaction."""
    file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by the background task
    for chunk in chunks:
        file.write(chunk)
    file.seek(0)
    csv = file_format is ExportFormat.CSV
    return Stream(
        _pieces(file),
        media_type=CSV_TYPE if csv else JSONL_TYPE,
        headers={"content-disposition": f'attachment; filename="{name}.{"csv" if csv else "jsonl"}"'},
        background=BackgroundTask(file.close),
    )


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    return iter(partial(file.read, _CHUNK), b"")
