"""The emulator as a web application: Slack's API under /api, Socket Mode, OAuth, and a page for people."""

import base64
import json
from asyncio import create_task, to_thread
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from litestar import Litestar, MediaType, Request, Response, WebSocket, get, post, websocket
from litestar.datastructures import State, UploadFile
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.static_files import create_static_files_router

from tuneloop.kit.security_headers import security_headers
from tuneloop_local.emulators.slack.delivery import Delivery, Post, Socket, post_over_http
from tuneloop_local.emulators.slack.methods import call_method
from tuneloop_local.emulators.slack.oauth import access, consent
from tuneloop_local.emulators.slack.people import People
from tuneloop_local.emulators.slack.refusals import Refused
from tuneloop_local.emulators.slack.workspace import App, Limit, Slack
from tuneloop_local.emulators.slack.workspace import State as SlackState

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
BIGGEST = 8 << 20
STATIC = Path(str(files("tuneloop_local.emulators.slack"))) / "static"

Http = Request[Any, Any, State]


class Emulator:
    """A local Slack at `port` of this machine. `file` keeps its state between runs."""

    def __init__(
        self, *, port: int, app: App | None = None, file: Path | None = None, post: Post = post_over_http
    ) -> None:
        kept = SlackState.model_validate_json(file.read_text()) if file is not None and file.exists() else SlackState()
        if app is not None:
            kept.app = app
        self.slack = Slack(kept)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.delivery = Delivery(kept.app, post)
        self.people = People(self.slack, self.delivery, self.url)
        self._file = file

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    def save(self) -> None:
        with self.slack.lock:
            self.slack.state.revision += 1
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                part = self._file.with_suffix(".part")
                part.touch(mode=0o600)
                part.write_text(self.slack.state.model_dump_json())
                part.replace(self._file)


def create_emulator(emulator: Emulator) -> Litestar:
    return Litestar(
        [
            show_page,
            create_static_files_router("/static", [STATIC]),
            show_state,
            show_file,
            call_api,
            take_upload,
            take_response,
            act,
            open_socket,
        ],
        state=State({"emulator": emulator}),
        request_max_body_size=BIGGEST,
        before_send=[security_headers(tls=False)],
        logging_config=None,
        openapi_config=None,
    )


@get(["/", "/oauth/v2/authorize"])
async def show_page() -> Response[bytes]:
    content = (STATIC / "page.html").read_bytes()
    return Response(content, media_type=MediaType.HTML, headers={"Content-Security-Policy": POLICY})


@get("/state")
async def show_state(request: Http) -> dict[str, Any]:
    slack = _emulator(request).slack
    with slack.lock:
        content = slack.state.model_dump_json(include={"teams": True, "revision": True, "app": {"client_id", "id"}})
    shown: dict[str, Any] = json.loads(content)
    for team in shown["teams"].values():
        for file in team["files"].values():
            file["content"] = bool(file["content"])
    return shown


@get("/file/{team:str}/{file:str}")
async def show_file(request: Http, team: FromPath[str], file: FromPath[str]) -> Response[bytes]:
    slack = _emulator(request).slack
    with slack.lock:
        found = slack.team(team).files[file]
    return Response(bytes.fromhex(found.content), media_type="image/png")


@post("/api/{method:str}", status_code=200)
async def call_api(request: Http, method: FromPath[str]) -> Response[dict[str, Any]]:
    body = await request.body()
    if (limit := _limited(_emulator(request).slack, method)) is not None:
        headers = {"Retry-After": str(limit.retry_after)} if limit.status == 429 else {}
        error = "ratelimited" if limit.status == 429 else "internal_error"
        return Response({"ok": False, "error": error}, status_code=limit.status, headers=headers)
    return Response(await to_thread(_guarded, _emulator(request), lambda: _called(request, method, body)))


@post("/upload/{team:str}/{file:str}", status_code=200)
async def take_upload(request: Http, team: FromPath[str], file: FromPath[str]) -> Response[str]:
    content = await _uploaded(request)
    slack = _emulator(request).slack
    with slack.lock:
        found = slack.team(team).files.get(file)
        if found is None or found.length != len(content):
            return Response("the length differs from the one announced", status_code=400)
        found.content = content.hex()
    return Response(f"OK - {len(content)}")


@post("/response/{key:str}", status_code=200)
async def take_response(request: Http, key: FromPath[str]) -> Response[Any]:
    body, people = await request.body(), _emulator(request).people
    answer = await to_thread(_guarded, _emulator(request), lambda: people.respond(key, json.loads(body)))
    return Response("ok") if answer["ok"] else Response(answer, status_code=404)


@post("/do/{name:str}", status_code=200)
async def act(request: Http, name: FromPath[str]) -> dict[str, Any]:
    """What the page and `client` ask for. Another site's page can't send JSON here, nor under our host name."""
    host = request.headers.get("host", "").partition(":")[0]
    if host not in ("127.0.0.1", "localhost") or request.headers.get("content-type") != "application/json":
        raise NotFoundException
    body, emulator = await request.body(), _emulator(request)
    return await to_thread(_guarded, emulator, lambda: _do(emulator, name, json.loads(body or b"{}")))


@websocket("/socket")
async def open_socket(socket: WebSocket[Any, Any, State]) -> None:
    emulator: Emulator = socket.app.state.emulator
    await socket.accept()
    connection = Socket()
    hello = {"type": "hello", "num_connections": 1, "connection_info": {"app_id": emulator.slack.state.app.id}}
    connection.outgoing.put(json.dumps(hello))
    emulator.delivery.sockets.append(connection)
    writer = create_task(_write(socket, connection))
    try:
        async for text in socket.iter_data("text"):
            connection.received(text)
    finally:
        emulator.delivery.sockets.remove(connection)
        connection.outgoing.put(None)
        await writer


async def _write(socket: WebSocket[Any, Any, State], connection: Socket) -> None:
    while (text := await to_thread(connection.outgoing.get)) is not None:
        await socket.send_text(text)


def _emulator(request: Http) -> Emulator:
    emulator: Emulator = request.app.state.emulator
    return emulator


def _called(request: Http, method: str, body: bytes) -> dict[str, Any]:
    emulator = _emulator(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    args = _arguments(request.headers.get("content-type", ""), body)
    if method == "oauth.v2.access":
        pair = base64.b64decode(token).decode().split(":", 1) if scheme == "Basic" else None
        return access(emulator.slack, args, (pair[0], pair[1]) if pair else None)
    if method == "apps.connections.open":
        if token != emulator.slack.state.app.app_token:
            raise Refused("invalid_auth")
        return {"url": emulator.url.replace("http", "ws", 1) + "/socket"}
    token = token or str(args.pop("token", ""))
    return call_method(emulator.slack, method, token, args, site=emulator.url)


def _do(emulator: Emulator, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The methods of `People`, and what a test sets up."""
    people, slack = emulator.people, emulator.slack
    if name in ("click", "click_in_view", "command", "shortcut", "say", "submit", "open_home", "uninstall"):
        answer = getattr(people, name)(**given)
        return {"status": answer.status, "body": answer.body}
    if name in ("close", "invite", "kick", "archive", "deactivate", "restrict", "close_workspace", "narrow"):
        getattr(people, name)(**given)
        return {}
    if name == "allow":
        return {"url": consent(slack, **given)}
    if name == "limit":
        slack.state.limits.append(Limit.model_validate(given))
        return {}
    if name == "add_team":
        return {"id": slack.add_team(**given).id}
    if name == "add_person":
        return {"id": slack.add_person(**given).id}
    if name == "add_channel":
        return {"id": slack.add_channel(**given).id}
    raise Refused("unknown_method")


def _guarded(emulator: Emulator, run: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    try:
        answer = {"ok": True, **(run() or {})}
    except Refused as refused:
        answer = refused.body()
    except (TypeError, ValueError, KeyError) as error:
        answer = {"ok": False, "error": "invalid_arguments", "response_metadata": {"messages": [str(error)]}}
    emulator.save()
    return answer


def _limited(slack: Slack, method: str) -> Limit | None:
    with slack.lock:
        for limit in slack.state.limits:
            if limit.method in (method, "*") and limit.times > 0:
                limit.times -= 1
                return limit
    return None


def _arguments(kind: str, body: bytes) -> dict[str, Any]:
    if kind.startswith("application/json"):
        parsed: dict[str, Any] = json.loads(body or b"{}")
        return parsed
    given: dict[str, Any] = {name: each[0] for name, each in parse_qs(body.decode()).items()}
    for name in ("blocks", "view", "metadata", "files"):
        if name in given:
            given[name] = json.loads(given[name])
    return given


async def _uploaded(request: Http) -> bytes:
    """The file of a raw or a multipart upload."""
    if not request.headers.get("content-type", "").startswith("multipart/"):
        return await request.body()
    for part in (await request.form()).values():
        return await part.read() if isinstance(part, UploadFile) else str(part).encode()
    return b""
