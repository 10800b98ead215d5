"""A serving host around a tiny base, with its artifacts in a folder."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Unpack

import httpx
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar

from tests.serving.conftest import SMALL, EngineSettings
from tuneloop.kit.errors import CorruptArtifact, NotFound
from tuneloop.registry.contract import AdapterPart, BaseRef, Contract, Manifest
from tuneloop_workers.serving.app import create_app
from tuneloop_workers.serving.engine import Engine
from tuneloop_workers.serving.engine_thread import Dispatcher
from tuneloop_workers.serving.servable import LoraFile


class FolderSource:
    """Files by digest and manifests by digest in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, manifest: Manifest) -> str:
        (self._folder / manifest.digest).write_bytes(manifest.canonical())
        return manifest.digest

    def add_file(self, path: Path) -> str:
        digest = sha256(path.read_bytes()).hexdigest()
        (self._folder / digest).write_bytes(path.read_bytes())
        return digest

    def manifest(self, digest: str) -> Manifest:
        return Manifest.model_validate_json(self._existing(digest).read_bytes())

    def path(self, sha256_: str) -> Path:
        path = self._existing(sha256_)
        if sha256(path.read_bytes()).hexdigest() != sha256_:
            raise CorruptArtifact(f"{sha256_[:12]} has another content")
        return path

    def _existing(self, digest: str) -> Path:
        if not (self._folder / digest).exists():
            raise NotFound("artifact", digest)
        return self._folder / digest


class Host:
    """A dispatcher with its source; `publish` makes versions that it can serve."""

    def __init__(
        self, folder: Path, base: Path, *, queue: int = 64, token: str = "", **engine: Unpack[EngineSettings]
    ) -> None:
        settings: EngineSettings = {**SMALL, **engine}
        self.source = FolderSource(folder)
        self.base_sha256 = self.source.add_file(base)
        self.dispatcher = Dispatcher(lambda: Engine(base, **settings), limit=queue)
        self.dispatcher.start()
        self.app: Litestar = create_app(self.dispatcher, self.source, base_sha256=self.base_sha256, token=token)

    def publish(self, contract: Contract, *adapters: LoraFile, base_sha256: str = "") -> str:
        for adapter in adapters:
            self.source.add_file(adapter.path)
        base = BaseRef(
            architecture="llama",
            quantisation="F32",
            gguf_sha256=base_sha256 or self.base_sha256,
            weights_sha256="0" * 64,
        )
        parts = tuple(AdapterPart(sha256=adapter.sha256, scale=adapter.scale) for adapter in adapters)
        engine = self.dispatcher.identity
        return self.source.add(Manifest(contract=contract, base=base, adapters=parts, engine=engine))

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Asks the application in this event loop; requests may overlap."""
        transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]  # Litestar types ASGI's messages more closely
        async with self.app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://host") as http:
            yield http

    @asynccontextmanager
    async def listening(self, socket: Path) -> AsyncIterator[httpx.AsyncClient]:
        """Asks through granian and a unix socket."""
        server = Server(self.app, uds=socket, interface=Interfaces.ASGI, websockets=False)
        serving = asyncio.create_task(server.serve())
        transport = httpx.AsyncHTTPTransport(uds=str(socket), retries=5)
        async with httpx.AsyncClient(transport=transport, base_url="http://host", timeout=30) as http:
            yield http
        server.stop()  # type: ignore[no-untyped-call]
        await serving


@contextmanager
def running(host: Host) -> Iterator[Host]:
    try:
        yield host
    finally:
        host.dispatcher.stop()
