"""The API as a program sees it: JSON in, JSON out, every error an `ApiError`."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import IO, Any, Generic, TypeVar

import httpx
import orjson
from pydantic import TypeAdapter, ValidationError

API = "/api/v1"
TIMEOUT = httpx.Timeout(60, connect=5)
CHUNK_BYTES = 1 << 16
PASSWORDS = ("/session", "/invitations/accept")
"""Where a refusal is about what was typed, and not about a key."""

T = TypeVar("T")


class ApiError(Exception):
    """What the API refused, or why it could not be asked: then without a `status`."""

    def __init__(
        self, code: str, message: str, *, status: HTTPStatus | None = None, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details = details or {}


@dataclass(frozen=True)
class Reply(Generic[T]):
    """An answer: its bytes as they came, and what they say, which is read only when it is wanted."""

    raw: bytes
    shape: type[T]

    @cached_property
    def value(self) -> T:
        """Raises ApiError when the answer has another shape than this version knows."""
        try:
            return TypeAdapter(self.shape).validate_json(self.raw or b"null")
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ApiError(
                "unknown_answer",
                f"the server's answer is not what this version expects ({where}: {first['msg']}); "
                "use the same version of Tuneloop here and there",
            ) from error


class Api:
    """Paths are relative to `/api/v1` unless they begin with it, or with `/v1`."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def get(self, path: str, shape: type[T], **query: object) -> Reply[T]:
        return self._send("GET", path, shape, params=_given(query))

    def post(
        self, path: str, shape: type[T], body: object = None, *, headers: dict[str, str] | None = None, **query: object
    ) -> Reply[T]:
        return self._send("POST", path, shape, json=body, headers=headers, params=_given(query))

    def put(self, path: str, shape: type[T], body: object, *, headers: dict[str, str] | None = None) -> Reply[T]:
        return self._send("PUT", path, shape, json=body, headers=headers)

    def patch(self, path: str, shape: type[T], body: object, **query: object) -> Reply[T]:
        return self._send("PATCH", path, shape, json=body, params=_given(query))

    def delete(self, path: str, shape: type[T], *, headers: dict[str, str] | None = None) -> Reply[T]:
        return self._send("DELETE", path, shape, headers=headers)

    def upload(
        self, path: str, shape: type[T], content: Iterable[bytes] | bytes, *, media_type: str, **query: object
    ) -> Reply[T]:
        """Send a file as it is read. The server may take its time over the answer."""
        patient = httpx.Timeout(TIMEOUT.read, connect=TIMEOUT.connect, read=None)
        headers = {"Content-Type": media_type}
        params = _given(query)
        return self._send("POST", path, shape, params=params, content=content, headers=headers, timeout=patient)

    def upload_files(self, path: str, shape: type[T], files: Mapping[str, IO[bytes] | bytes]) -> Reply[T]:
        """Send files by name, each as it is read. The server may take its time over the answer."""
        patient = httpx.Timeout(TIMEOUT.read, connect=TIMEOUT.connect, read=None)
        parts = [("files", (name, content)) for name, content in files.items()]
        return self._send("POST", path, shape, files=parts, timeout=patient)

    @contextmanager
    def download(self, path: str, body: object = None, **query: object) -> Iterator[httpx.Response]:
        """A response whose body has not been read yet; with a body that says what is wanted, it is posted."""
        method = "GET" if body is None else "POST"
        asked = self._http.stream(method, _full(path), params=_given(query), json=body)
        with self._reaching(), asked as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            yield response

    def _send(self, method: str, path: str, shape: type[T], **options: Any) -> Reply[T]:
        with self._reaching():
            response = self._http.request(method, _full(path), **options)
        if response.is_error:
            raise _refusal(response)
        return Reply(response.content, shape)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise ApiError("timeout", f"{self._http.base_url} did not answer in time; try again") from error
        except httpx.TransportError as error:
            raise ApiError(
                "unreachable",
                f"cannot reach {self._http.base_url} ({error}); start the server with 'tuneloop up', "
                "or name another one with --url",
            ) from error


@contextmanager
def connect(
    url: str, key: str | None, *, user_agent: str, transport: httpx.BaseTransport | None = None
) -> Iterator[Api]:
    """The API at `url`. `transport` stands in for the network.

    Raises:
        ApiError: the URL or the key is malformed.
    """
    headers = {"User-Agent": user_agent} | ({"Authorization": f"Bearer {key}"} if key else {})
    try:
        http = httpx.Client(
            base_url=url, headers=headers, timeout=TIMEOUT, transport=transport or httpx.HTTPTransport(retries=2)
        )
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise ApiError("usage", f"the URL or the key is malformed: {error}") from error
    with http:
        yield Api(http)


def _full(path: str) -> str:
    return path if path.startswith(("/v1/", API)) else API + path


def _given(query: dict[str, object]) -> dict[str, Any] | None:
    """httpx would send None as an empty value, a bool as Python writes it, and with {} drop what the path says."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in query.items()
        if value is not None
    }
    return given or None


def _refusal(response: httpx.Response) -> ApiError:
    """The API's error shape, or OpenAI's, or whatever a proxy in between answered."""
    try:
        error = orjson.loads(response.content)["error"]
        code, message, details = error["code"], error["message"], error.get("details")
    except (orjson.JSONDecodeError, KeyError, TypeError):
        code, details = "http_error", None
        message = (
            f"{response.request.url} answered {response.status_code}, which does not look like a Tuneloop server; "
            "check --url"
        )
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        if "authorization" in response.request.headers:
            message = f"{message}; run 'tuneloop login' with a valid one"
        elif not response.request.url.path.endswith(PASSWORDS):
            message = "no API key; run 'tuneloop login', or set TUNELOOP_API_KEY"
    return ApiError(str(code), str(message), status=HTTPStatus(response.status_code), details=details)
