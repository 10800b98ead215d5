"""The host as a process of its own."""

import multiprocessing
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx
import pytest

from tests.serving.conftest import SORTING
from tests.serving.host import FolderSource
from tests.support.tiny_models import TinyPair
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.settings import Settings
from tuneloop.registry.contract import BaseRef, Manifest
from tuneloop_workers.serving.host import HostSettings, serve
from tuneloop_workers.serving.process import run_serve


def engine_once_up(http: httpx.Client, process: BaseProcess) -> str:
    """The engine's identity, as soon as the process listens."""
    while process.exitcode is None:
        try:
            return str(http.get("/readyz").json()["engine"])
        except httpx.ConnectError:
            process.join(0.1)
    raise AssertionError(f"the host ended with {process.exitcode}")


def test_a_host_without_a_token_does_not_start(tmp_path: Path) -> None:
    """It would answer everybody."""
    with pytest.raises(InvalidInput, match="TUNELOOP_SERVE_TOKEN"):
        run_serve(Settings(data_dir=tmp_path))


def test_the_host_serves_until_sigterm_and_leaves_no_socket(pair: TinyPair, tmp_path: Path) -> None:
    source, socket = FolderSource(tmp_path), tmp_path / "socket"
    base_sha256 = source.add_file(pair.gguf)
    base = BaseRef(architecture="llama", quantisation="F32", gguf_sha256=base_sha256, weights_sha256="0" * 64)
    digest = source.add(Manifest(contract=SORTING, base=base, adapters=(), engine="any"))
    settings = HostSettings(unix_socket=socket, threads=1, context_tokens=2048)
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(settings, source, base_sha256))
    process.start()
    try:
        transport = httpx.HTTPTransport(uds=str(socket))
        with httpx.Client(transport=transport, base_url="http://host", timeout=30) as http:
            assert engine_once_up(http, process).startswith("llama.cpp ")
            question = {"model": digest, "messages": [{"role": "user", "content": "hello"}]}
            assert http.post("/v1/chat/completions", json=question).json()["tuneloop"]["digest"] == digest
        process.terminate()
        process.join(20)
        assert process.exitcode == 0
        assert not socket.exists()
    finally:
        process.kill()
