"""The versions that a serving host knows: fetched by digest, verified, made ready once however many ask."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tuneloop.kit.errors import Conflict, CorruptArtifact, TuneloopError
from tuneloop.registry.contract import Manifest
from tuneloop_workers.serving.engine_thread import Dispatcher, Event
from tuneloop_workers.serving.servable import LoraFile, Servable


class ArtifactSource(Protocol):
    """Where manifests and files come from; both methods may block on the network."""

    def manifest(self, digest: str) -> Manifest:
        """Raises NotFound."""
        ...

    def path(self, sha256: str) -> Path:
        """A local file of exactly this content. Raises NotFound, CorruptArtifact."""
        ...


class Versions:
    """At most `capacity` versions, least recently asked out; `base_sha256` is the base GGUF of this host."""

    def __init__(self, source: ArtifactSource, dispatcher: Dispatcher, base_sha256: str, capacity: int = 1024) -> None:
        self._source = source
        self._dispatcher = dispatcher
        self._base_sha256 = base_sha256
        self._capacity = capacity
        self._tasks: dict[str, asyncio.Task[Servable]] = {}

    @property
    def digests(self) -> list[str]:
        return [digest for digest, task in self._tasks.items() if task.done()]

    async def get(self, digest: str) -> Servable:
        """Raises NotFound, CorruptArtifact, or Conflict for a version of another base."""
        task = self._tasks.pop(digest, None) or asyncio.create_task(self._prepare(digest))
        self._tasks[digest] = task
        if len(self._tasks) > self._capacity:
            del self._tasks[next(iter(self._tasks))]
        try:
            return await asyncio.shield(task)
        finally:
            if task.done() and (task.cancelled() or task.exception()):
                self.forget(digest)

    def forget(self, digest: str) -> None:
        """The next request fetches the version anew."""
        self._tasks.pop(digest, None)

    async def load(self, digest: str) -> None:
        """Returns when the version answers at once: adapters in memory, prompt prefix evaluated."""
        version = await self.get(digest)
        ready: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        question = self._dispatcher.warm(version, threadsafe(ready.set_result))
        try:
            if isinstance(problem := await ready, TuneloopError):
                self.forget(digest)
                raise problem
        finally:
            self._dispatcher.cancel(question)

    async def _prepare(self, digest: str) -> Servable:
        manifest = await asyncio.to_thread(self._source.manifest, digest)
        if manifest.digest != digest:
            raise CorruptArtifact(f"the manifest stored as {digest[:12]} has another content", found=manifest.digest)
        if manifest.base.gguf_sha256 != self._base_sha256:
            raise Conflict(
                f"version {digest[:12]} needs base {manifest.base.gguf_sha256[:12]}, "
                f"but this host serves {self._base_sha256[:12]}; send it to a host of its base",
                base=manifest.base.gguf_sha256,
            )
        adapters = [
            LoraFile(part.sha256, await asyncio.to_thread(self._source.path, part.sha256), part.scale)
            for part in manifest.adapters
        ]
        prepared = self._dispatcher.call(lambda engine: engine.prepare(manifest.contract, adapters))
        return await asyncio.wrap_future(prepared)


def threadsafe(receive: Callable[[Event], None]) -> Callable[[Event], None]:
    """Hands events from the engine's thread to the running event loop."""
    loop = asyncio.get_running_loop()
    return lambda event: _call_if_open(loop, receive, event)


def _call_if_open(loop: asyncio.AbstractEventLoop, receive: Callable[[Event], None], event: Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(receive, event)
