"""Adapters in memory: verified against their digest and base before llama.cpp sees them, least recently used out."""

from collections.abc import Collection, Iterable
from pathlib import Path

from gguf import GGUFReader

from tuneloop.kit.errors import CorruptArtifact
from tuneloop.kit.storage import digest_file
from tuneloop_workers.llama import AdapterHandle, Context, Model
from tuneloop_workers.serving.servable import LoraFile


class AdapterCache:
    """At most `capacity` loaded adapters, plus those in use."""

    def __init__(self, model: Model, context: Context, capacity: int) -> None:
        self._model = model
        self._context = context
        self._capacity = capacity
        self._loaded: dict[str, AdapterHandle] = {}

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._loaded

    def apply(self, adapters: Iterable[LoraFile]) -> None:
        self._context.apply([(self._loaded[adapter.sha256], adapter.scale) for adapter in adapters])

    def require(self, adapters: Iterable[LoraFile], in_use: Collection[str]) -> None:
        """Loads what is missing. Raises CorruptArtifact before the context is touched."""
        for adapter in adapters:
            handle = self._loaded.pop(adapter.sha256, None)
            self._loaded[adapter.sha256] = self._load(adapter) if handle is None else handle
        self._evict({*in_use, *(adapter.sha256 for adapter in adapters)})

    def close(self) -> None:
        self._context.apply(())
        while self._loaded:
            self._model.free_adapter(self._loaded.popitem()[1])

    def _load(self, adapter: LoraFile) -> AdapterHandle:
        _verify(adapter, self._model.architecture)
        return self._model.load_adapter(adapter.path)

    def _evict(self, keep: Collection[str]) -> None:
        idle = [sha256 for sha256 in self._loaded if sha256 not in keep]
        leaving = idle[: max(0, len(self._loaded) - self._capacity)]
        if leaving:
            # A new adapter may get a freed one's address; the context must not take it for the same.
            self._context.apply(())
        for sha256 in leaving:
            self._model.free_adapter(self._loaded.pop(sha256))


def _verify(adapter: LoraFile, architecture: str) -> None:
    found = _digest(adapter.path)
    if found != adapter.sha256:
        raise CorruptArtifact(
            f"the adapter {adapter.path.name} has another content than its manifest says; fetch it again",
            expected=adapter.sha256,
            found=found,
        )
    metadata = _metadata(adapter.path)
    trained_for = metadata.get("general.architecture")
    if (metadata.get("general.type"), metadata.get("adapter.type")) != ("adapter", "lora"):
        raise CorruptArtifact(f"{adapter.path.name} is a GGUF file but not a LoRA adapter", path=str(adapter.path))
    if trained_for != architecture:
        raise CorruptArtifact(
            f"the adapter was made for a {trained_for} base, but this engine serves {architecture}",
            adapter=trained_for,
            base=architecture,
        )


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as problem:
        raise CorruptArtifact(f"the adapter file can't be read: {problem}", path=str(path)) from problem


def _metadata(path: Path) -> dict[str, object]:
    try:
        fields = GGUFReader(path).fields
        return {key: fields[key].contents() for key in _KEYS if key in fields}
    except (ValueError, IndexError, KeyError, OverflowError) as problem:
        raise CorruptArtifact(f"{path.name} is not a readable GGUF file: {problem}", path=str(path)) from problem


_KEYS = ("general.type", "general.architecture", "adapter.type")
