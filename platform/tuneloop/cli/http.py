"""The API as the commands see it: JSON in, JSON out, every error a Failure."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import orjson

from tuneloop.cli.failure import ExitCode, Failure, exit_code_of

API = "/api/v1"
USER_AGENT = f"tuneloop-cli/{version('tuneloop')}"
TIMEOUT = httpx.Timeout(60, connect=5)
CHUNK_BYTES = 1 << 16


class Reply(NamedTuple):
    """An answer of the API: its bytes as they came, and what they say."""

    raw: bytes
    value: Any


class Api:
    """Paths are relative to `/api/v1` unless they begin with `/v1`."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def get(self, path: str, **query: object) -> Reply:
        return self._send("GET", path, params=_given(query))

    def post(self, path: str, body: object = None, *, headers: dict[str, str] | None = None) -> Reply:
        return self._send("POST", path, json=body, headers=headers)

    def put(self, path: str, body: object) -> Reply:
        return self._send("PUT", path, json=body)

    def patch(self, path: str, body: object) -> Reply:
        return self._send("PATCH", path, json=body)

    def delete(self, path: str, *, headers: dict[str, str] | None = None) -> Reply:
        return self._send("DELETE", path, headers=headers)

    def upload(self, path: str, content: Iterable[bytes], *, media_type: str, **query: object) -> Reply:
        """Send a file as it is read. The server may take its time over the answer."""
        patient = httpx.Timeout(TIMEOUT.read, connect=TIMEOUT.connect, read=None)
        headers = {"Content-Type": media_type}
        return self._send("POST", path, params=_given(query), content=content, headers=headers, timeout=patient)

    @contextmanager
    def download(self, path: str, **query: object) -> Iterator[httpx.Response]:
        """A response whose body has not been read yet."""
        with self._reaching(), self._http.stream("GET", _full(path), params=_given(query)) as response:
            if response.is_error:
                response.read()
                raise _failure(response)
            yield response

    def _send(self, method: str, path: str, **options: Any) -> Reply:
        with self._reaching():
            response = self._http.request(method, _full(path), **options)
        if response.is_error:
            raise _failure(response)
        return Reply(response.content, orjson.loads(response.content) if response.content else None)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise Failure("timeout", f"{self._http.base_url} did not answer in time; try again") from error
        except httpx.TransportError as error:
            raise Failure(
                "unreachable",
                f"cannot reach {self._http.base_url} ({error}); start the server with 'tuneloop up', "
                "or name another one with --url",
            ) from error


@contextmanager
def connect(url: str, key: str | None, transport: httpx.BaseTransport | None = None) -> Iterator[Api]:
    """The API at `url`. `transport` stands in for the network."""
    headers = {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {key}"} if key else {})
    try:
        http = httpx.Client(
            base_url=url, headers=headers, timeout=TIMEOUT, transport=transport or httpx.HTTPTransport(retries=2)
        )
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise Failure("usage", f"the URL or the key is malformed: {error}", exit_code=ExitCode.USAGE) from error
    with http:
        yield Api(http)


def model_path(client: str, model: str) -> str:
    return f"/models/{client}/{model}"


def _full(path: str) -> str:
    return path if path.startswith("/v1/") else API + path


def _given(query: dict[str, object]) -> dict[str, Any]:
    """httpx would send None as an empty value."""
    return {name: value for name, value in query.items() if value is not None}


def _failure(response: httpx.Response) -> Failure:
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
    exit_code = exit_code_of(response.status_code)
    if exit_code is ExitCode.NOT_AUTHENTICATED and "authorization" not in response.request.headers:
        message = "no API key; run 'tuneloop login', or set TUNELOOP_API_KEY"
    elif exit_code is ExitCode.NOT_AUTHENTICATED:
        message += "; run 'tuneloop login' with a valid one"
    return Failure(str(code), str(message), exit_code=exit_code, details=details)


def for_client(path: str, client: str | None) -> str:
    """The path, narrowed to one client where one is named."""
    return f"{path}?client={quote(client)}" if client else path
