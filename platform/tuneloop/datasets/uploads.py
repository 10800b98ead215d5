"""Files over HTTP: a request body to a temporary file, a temporary file to a response."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO

from anyio import to_thread
from litestar.background_tasks import BackgroundTask
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.response import Stream

from tuneloop.datasets.row import ExportFormat, ImportFormat
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput, TooLarge

JSONL_TYPE = "application/x-ndjson"
CSV_TYPE = "text/csv"
_FORMATS = {JSONL_TYPE: ImportFormat.JSONL, CSV_TYPE: ImportFormat.CSV}
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
            description="JSONL lines with messages, or prompt and completion, or text and label; or CSV with a header",
            content={
                JSONL_TYPE: OpenAPIMediaType(schema=text, example=jsonl),
                CSV_TYPE: OpenAPIMediaType(schema=text, example="text,label\nWhere is my parcel?,order_status\n"),
            },
        )


def format_of(request: HttpRequest, named: ImportFormat | None) -> ImportFormat:
    """The named format, or that of the content type.

    Raises:
        InvalidInput: neither says what the body is, or the body is compressed.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise InvalidInput(f"the body is compressed ({encoding[:20]}); send it uncompressed")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    found = named or _FORMATS.get(media_type)
    if found is None:
        raise InvalidInput(f"send the file as {JSONL_TYPE} or {CSV_TYPE}, or name it with ?format=jsonl or csv")
    return found


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
