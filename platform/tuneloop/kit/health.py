"""Liveness, readiness and metrics over HTTP for processes that serve nothing else: workers, scheduler, bot."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings


def may_read_metrics(settings: Settings, authorization: str | None) -> bool:
    token = settings.metrics_token.get_secret_value()
    return not token or compare_digest(authorization or "", f"Bearer {token}")


@contextmanager
def health(settings: Settings, database: Database, *, ask_broker: Callable[[], object]) -> Iterator[None]:
    """Answers `/healthz`, `/readyz` and `/metrics` on `health_port` while the block runs; does nothing without one."""
    if not settings.health_port:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            match self.path:
                case "/healthz":
                    self._answer(HTTPStatus.OK, b"ok", "text/plain")
                case "/readyz":
                    found = {"database": _state(partial(_ask, database)), "broker": _state(ask_broker)}
                    away = "down" in found.values()
                    status = HTTPStatus.SERVICE_UNAVAILABLE if away else HTTPStatus.OK
                    self._answer(status, orjson.dumps(found), "application/json")
                case "/metrics" if may_read_metrics(settings, self.headers.get("Authorization")):
                    self._answer(HTTPStatus.OK, generate_latest(), CONTENT_TYPE_LATEST)
                case "/metrics":
                    self._answer(HTTPStatus.UNAUTHORIZED, b"", "text/plain")
                case _:
                    self._answer(HTTPStatus.NOT_FOUND, b"", "text/plain")

        def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds."""

    server = ThreadingHTTPServer((settings.health_host, settings.health_port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _ask(database: Database) -> None:
    with database.all_agencies() as session:
        session.execute(text("select 1"))


def _state(ask: Callable[[], object]) -> str:
    try:
        ask()
    except Exception:  # noqa: BLE001  (whatever it is, the process can't work with it now)
        return "down"
    return "up"
