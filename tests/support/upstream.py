"""A small OpenAI-compatible server on loopback whose answers are scripted; it stands in for an engine."""

import json
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Event, Thread
from types import MappingProxyType
from typing import Any, NamedTuple


class Failure(NamedTuple):
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = MappingProxyType({})


@dataclass
class ScriptedEngine:
    """Answers `answers[model]`, or `answer`. While `gate` is clear, requests wait; `pieces` goes out one by one.

    `failure` is for every model, or for `failing` alone; the gate is for every model, or for `waiting` alone.
    """

    url: str
    answer: str = "order"
    answers: dict[str, str] = field(default_factory=dict)
    extra: bool = True
    digest: str | None = None
    failure: Failure | None = None
    failing: str | None = None
    raw: bytes | None = None
    break_after: int | None = None
    gate: Event = field(default_factory=Event)
    gate_after: int = 0
    waiting: str | None = None
    arrived: SimpleQueue[dict[str, Any]] = field(default_factory=SimpleQueue)
    abandoned: Event = field(default_factory=Event)
    headers: dict[str, str] = field(default_factory=dict)

    def text_for(self, model: str) -> str:
        return self.answers.get(model, self.answer)


@contextmanager
def scripted_engine() -> Iterator[ScriptedEngine]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    engine = ScriptedEngine(f"http://127.0.0.1:{server.server_port}")
    engine.gate.set()
    server.engine = engine  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield engine
    finally:
        engine.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


def pieces_of(text: str) -> list[str]:
    """Words with the space before them, as tokens come."""
    return [word if i == 0 else f" {word}" for i, word in enumerate(text.split(" "))]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    connection: socket.socket

    @property
    def engine(self) -> ScriptedEngine:
        return self.server.engine  # type: ignore[attr-defined, no-any-return]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.engine.headers = dict(self.headers.items())
        self.engine.arrived.put(asked)
        waits = self.engine.gate_after == 0 and self.engine.waiting in (None, asked.get("model"))
        if waits and not self._wait():
            return
        if self.engine.failure is not None and self.engine.failing in (None, asked["model"]):
            self._send(self.engine.failure.status, self.engine.failure.body, self.engine.failure.headers)
        elif self.engine.raw is not None:
            self._send_bytes(200, self.engine.raw, {})
        elif asked.get("stream"):
            self._stream(asked)
        else:
            self._send(200, self._whole(asked), {})

    def _wait(self) -> bool:
        """Wait for the gate; False when the caller has hung up meanwhile."""
        while not self.engine.gate.wait(0.01):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                self.engine.abandoned.set()
                self.close_connection = True
                return False
        return True

    def _whole(self, asked: dict[str, Any]) -> dict[str, Any]:
        text = self.engine.text_for(asked["model"])
        pieces = pieces_of(text)
        part = {"text": text} if "prompt" in asked else {"message": {"role": "assistant", "content": text}}
        return {
            "choices": [{"index": 0, **part, "logprobs": _logprobs(asked, pieces), "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": len(pieces), "total_tokens": 7 + len(pieces)},
            **self._extra(asked),
        }

    def _stream(self, asked: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        pieces = pieces_of(self.engine.text_for(asked["model"]))
        for number, piece in enumerate(pieces):
            if self.engine.break_after == number:
                return
            if self.engine.gate_after == number and not self._wait():
                return
            part = {"text": piece} if "prompt" in asked else {"delta": {"content": piece}}
            self._event({"choices": [{"index": 0, **part, "logprobs": _logprobs(asked, [piece])}]})
        usage = {"prompt_tokens": 7, "completion_tokens": len(pieces)}
        last = {"index": 0, "finish_reason": "stop"}
        self._event({"choices": [last], "usage": usage, **self._extra(asked)})
        self.wfile.write(b"data: [DONE]\n\n")

    def _extra(self, asked: dict[str, Any]) -> dict[str, Any]:
        if not self.engine.extra:
            return {}
        digest = self.engine.digest or asked["model"]
        return {"tuneloop": {"digest": digest, "confidence": 0.9, "margin": 0.8, "latency_ms": 1.0}}

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")
        self.wfile.flush()

    def _send(self, status: int, body: dict[str, Any], headers: Mapping[str, str]) -> None:
        self._send_bytes(status, json.dumps(body).encode(), headers)

    def _send_bytes(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _logprobs(asked: dict[str, Any], pieces: list[str]) -> dict[str, Any] | None:
    if not asked.get("logprobs"):
        return None
    if "prompt" in asked:
        return {"tokens": pieces, "token_logprobs": [-0.25] * len(pieces), "top_logprobs": None}
    entries = [{"token": p, "logprob": -0.25, "bytes": list(p.encode()), "top_logprobs": []} for p in pieces]
    return {"content": entries}
