"""A hub on loopback that answers as the Hugging Face hub's HTTP API does, its refusals and redirects included."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class StandIn:
    """`repositories` by name, each with its files; `gated` ones want a token; `spoil` changes what is downloaded."""

    url: str
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    spoil: bool = False
    asked: list[str] = field(default_factory=list)


@contextmanager
def hub_stand_in() -> Iterator[StandIn]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    state = StandIn(f"http://127.0.0.1:{server.server_port}")
    server.state = state  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        state: StandIn = self.server.state  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        state.asked.append(self.path)
        parts = url.path.strip("/").split("/")
        if parts[0] == "cdn":
            content = state.repositories["/".join(parts[1:3])]["/".join(parts[3:])]
            self._answer(200, content[::-1] if state.spoil else content)
            return
        name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        if name not in state.repositories:
            self._refuse(401, "RepoNotFound")
        elif name in state.gated and self.headers.get("Authorization") != "Bearer hf_good":
            self._refuse(403, "GatedRepo")
        elif parts[0] == "api":
            blobs = parse_qs(url.query).get("blobs") == ["true"]
            self._json(_described(state.repositories[name], blobs=blobs))
        else:
            self.send_response(302)
            self.send_header("Location", f"{state.url}/cdn/{name}/{'/'.join(parts[4:])}")
            self.end_headers()

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.end_headers()

    def _json(self, body: dict[str, Any]) -> None:
        self._answer(200, json.dumps(body).encode())

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _described(files: dict[str, bytes], *, blobs: bool) -> dict[str, Any]:
    siblings: list[dict[str, Any]] = [{"rfilename": name} for name in files]
    for sibling in siblings if blobs else ():
        content = files[sibling["rfilename"]]
        sibling |= {"size": len(content), "blobId": "0" * 40}
        if sibling["rfilename"].endswith(".gguf"):
            sibling["lfs"] = {"sha256": sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return {
        "id": "acme/model",
        "sha": COMMIT,
        "private": False,
        "siblings": siblings,
        "cardData": {"license": "apache-2.0"},
        "gguf": {"total": 100_000, "architecture": "qwen3", "context_length": 1024},
    }
