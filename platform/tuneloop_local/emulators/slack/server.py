"""The emulator as a server: Slack's API under /api, Socket Mode, OAuth, and a page for people."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tuneloop_local.emulators.slack.delivery import Delivery, Post, Socket, post_over_http
from tuneloop_local.emulators.slack.methods import call_method
from tuneloop_local.emulators.slack.oauth import access, consent
from tuneloop_local.emulators.slack.people import People
from tuneloop_local.emulators.slack.refusals import Refused
from tuneloop_local.emulators.slack.websocket import PING, PONG, TEXT, accept_key, frame, frames
from tuneloop_local.emulators.slack.workspace import App, Limit, Slack, State

CONTENT = {"html": "text/html; charset=utf-8", "js": "text/javascript", "css": "text/css", "png": "image/png"}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"
BIGGEST = 8 << 20


class Emulator:
    """A running local Slack. `file` keeps its state between runs."""

    def __init__(
        self, *, port: int = 0, app: App | None = None, file: Path | None = None, post: Post = post_over_http
    ) -> None:
        kept = State.model_validate_json(file.read_text()) if file is not None and file.exists() else State()
        if app is not None:
            kept.app = app
        self.slack = Slack(kept)
        self._file = file
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.delivery = Delivery(kept.app, post)
        self.people = People(self.slack, self.delivery, self.url)

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    def serve(self) -> None:
        self._http.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def save(self) -> None:
        with self.slack.lock:
            self.slack.state.revision += 1
            if self._file is not None:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                part = self._file.with_suffix(".part")
                part.touch(mode=0o600)
                part.write_text(self.slack.state.model_dump_json())
                part.replace(self._file)


@contextmanager
def running(emulator: Emulator) -> Iterator[Emulator]:
    """Serve in a thread of this process."""
    thread = threading.Thread(target=emulator.serve, daemon=True)
    thread.start()
    try:
        yield emulator
    finally:
        emulator.stop()
        thread.join()


def _handler(emulator: Emulator) -> type[BaseHTTPRequestHandler]:
    class Bound(_Handler):
        home = emulator

    return Bound


class _Handler(BaseHTTPRequestHandler):
    home: Emulator
    protocol_version = "HTTP/1.1"
    server_version = "SlackEmulator"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Requests are not logged: they carry tokens."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/socket":
            self._socket()
        elif parts.path == "/state":
            self._state()
        elif parts.path.startswith("/file/"):
            self._file(*parts.path.split("/")[2:4])
        elif parts.path in ("/", "/oauth/v2/authorize"):
            self._asset("page.html")
        else:
            self._asset(parts.path.removeprefix("/static/"))

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), BIGGEST))
        if path.startswith("/api/"):
            self._api(path.removeprefix("/api/"), body)
        elif path.startswith("/upload/"):
            self._upload(path, body)
        elif path.startswith("/response/"):
            self._guarded(lambda: self.home.people.respond(path.split("/")[2], json.loads(body)), bare=True)
        elif path.startswith("/do/") and self._from_our_page():
            self._guarded(lambda: self._do(path.removeprefix("/do/"), json.loads(body or b"{}")))
        else:
            self._send(404, b"")

    def _from_our_page(self) -> bool:
        """Another site's page can't send JSON here without asking first, nor under our host name."""
        host = self.headers.get("Host", "").partition(":")[0]
        return host in ("127.0.0.1", "localhost") and self.headers.get("Content-Type") == "application/json"

    def _api(self, method: str, body: bytes) -> None:
        limit = self._limited(method)
        if limit is not None:
            headers = {"Retry-After": str(limit.retry_after)} if limit.status == 429 else {}
            content = {"ok": False, "error": "ratelimited" if limit.status == 429 else "internal_error"}
            self._send(limit.status, json.dumps(content).encode(), "application/json", headers)
            return
        self._guarded(lambda: self._called(method, body))

    def _called(self, method: str, body: bytes) -> dict[str, Any]:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        args = _arguments(self.headers.get("Content-Type", ""), body)
        if method == "oauth.v2.access":
            pair = base64.b64decode(token).decode().split(":", 1) if scheme == "Basic" else None
            return access(self.home.slack, args, (pair[0], pair[1]) if pair else None)
        if method == "apps.connections.open":
            if token != self.home.slack.state.app.app_token:
                raise Refused("invalid_auth")
            return {"url": self.home.url.replace("http", "ws", 1) + "/socket"}
        token = token or str(args.pop("token", ""))
        return call_method(self.home.slack, method, token, args, site=self.home.url)

    def _do(self, act: str, given: dict[str, Any]) -> dict[str, Any]:
        """What the page and `client` ask for: the methods of `People`, and what a test sets up."""
        people, slack = self.home.people, self.home.slack
        if act in ("click", "click_in_view", "command", "shortcut", "say", "submit", "open_home", "uninstall"):
            answer = getattr(people, act)(**given)
            return {"status": answer.status, "body": answer.body}
        if act in ("close", "invite"):
            getattr(people, act)(**given)
            return {}
        if act == "allow":
            return {"url": consent(slack, **given)}
        if act == "limit":
            slack.state.limits.append(Limit.model_validate(given))
            return {}
        if act == "add_team":
            return {"id": slack.add_team(**given).id}
        if act == "add_person":
            return {"id": slack.add_person(**given).id}
        if act == "add_channel":
            return {"id": slack.add_channel(**given).id}
        raise Refused("unknown_method")

    def _guarded(self, run: Callable[[], dict[str, Any] | None], *, bare: bool = False) -> None:
        try:
            answer = {"ok": True, **(run() or {})}
        except Refused as refused:
            answer = refused.body()
        except (TypeError, ValueError, KeyError) as error:
            answer = {"ok": False, "error": "invalid_arguments", "response_metadata": {"messages": [str(error)]}}
        self.home.save()
        status = 404 if bare and not answer["ok"] else 200
        content = b"ok" if bare and answer["ok"] else json.dumps(answer).encode()
        self._send(status, content, "application/json")

    def _limited(self, method: str) -> Limit | None:
        with self.home.slack.lock:
            for limit in self.home.slack.state.limits:
                if limit.method in (method, "*") and limit.times > 0:
                    limit.times -= 1
                    return limit
        return None

    def _state(self) -> None:
        with self.home.slack.lock:
            state = self.home.slack.state
            content = state.model_dump_json(include={"teams": True, "revision": True, "app": {"client_id", "id"}})
            hidden = json.loads(content)
        for team in hidden["teams"].values():
            for file in team["files"].values():
                file["content"] = bool(file["content"])
        self._send(200, json.dumps(hidden).encode(), "application/json")

    def _upload(self, path: str, body: bytes) -> None:
        _, _, team, file = path.split("/")
        content = _uploaded(self.headers.get("Content-Type", ""), body)
        with self.home.slack.lock:
            found = self.home.slack.team(team).files.get(file)
            if found is None or found.length != len(content):
                self._send(400, b"the length differs from the one announced")
                return
            found.content = content.hex()
        self._send(200, f"OK - {len(content)}".encode())

    def _file(self, team: str, file: str) -> None:
        with self.home.slack.lock:
            found = self.home.slack.team(team).files[file]
        self._send(200, bytes.fromhex(found.content), "image/png")

    def _asset(self, name: str) -> None:
        source = files("tuneloop_local.emulators.slack") / "static" / name
        if "/" in name or not source.is_file():
            self._send(404, b"")
            return
        self._send(200, source.read_bytes(), CONTENT[name.rpartition(".")[2]], {"Content-Security-Policy": POLICY})

    def _socket(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(self.headers.get("Sec-WebSocket-Key", "")))
        self.end_headers()
        self.close_connection = True
        socket = Socket()
        writer = threading.Thread(target=self._write, args=(socket,), daemon=True)
        hello = {"type": "hello", "num_connections": 1, "connection_info": {"app_id": self.home.slack.state.app.id}}
        socket.outgoing.put(json.dumps(hello))
        writer.start()
        self.home.delivery.sockets.append(socket)
        try:
            for kind, body in frames(self.rfile):  # type: ignore[arg-type]
                if kind == PING:
                    self.wfile.write(frame(PONG, body))
                elif kind == TEXT:
                    socket.received(body.decode())
        except OSError:
            pass
        finally:
            self.home.delivery.sockets.remove(socket)
            socket.outgoing.put(None)
            writer.join()

    def _write(self, socket: Socket) -> None:
        while (text := socket.outgoing.get()) is not None:
            try:
                self.wfile.write(frame(TEXT, text.encode()))
                self.wfile.flush()
            except OSError:
                return

    def _send(self, status: int, body: bytes, kind: str = "text/plain", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _arguments(kind: str, body: bytes) -> dict[str, Any]:
    if kind.startswith("application/json"):
        parsed: dict[str, Any] = json.loads(body or b"{}")
        return parsed
    given: dict[str, Any] = {name: each[0] for name, each in parse_qs(body.decode()).items()}
    for name in ("blocks", "view", "metadata", "files"):
        if name in given:
            given[name] = json.loads(given[name])
    return given


def _uploaded(kind: str, body: bytes) -> bytes:
    """The file of a raw or a multipart upload."""
    if not kind.startswith("multipart/"):
        return body
    boundary = kind.partition("boundary=")[2].strip('"').encode()
    part = body.split(b"--" + boundary)[1]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
