"""Files of bases and versions, brought from the object store to where code can open them."""

from hashlib import sha256
from pathlib import Path

from tuneloop.kit.errors import CorruptArtifact
from tuneloop.kit.storage import Storage, folder_files, link_folder, unpack_folder
from tuneloop.registry.contract import Manifest
from tuneloop_workers.files import new_folder


class Artifacts:
    """Manifests, files and folders by digest; `cache` holds folders."""

    def __init__(self, storage: Storage, cache: Path) -> None:
        self._storage = storage
        self._cache = cache

    def manifest(self, digest: str) -> Manifest:
        """The manifest that hashes to `digest`.

        Raises:
            NotFound: no such version. CorruptArtifact: the stored bytes are not a manifest.
        """
        data = self._storage.read(digest)
        manifest = Manifest.model_validate_json(data)
        if sha256(manifest.canonical()).hexdigest() != digest:
            raise CorruptArtifact(f"{digest[:12]} is not a manifest in its canonical form")
        return manifest

    def path(self, digest: str) -> Path:
        return self._storage.path(digest)

    def folder(self, digest: str) -> Path:
        """A folder that was stored; laid out once, unpacked only where it was stored as one archive."""
        target = self._cache / digest
        if not target.exists():
            stored = self._storage.path(digest)
            files = folder_files(stored)
            with new_folder(target) as draft:
                if files is None:
                    unpack_folder(stored, draft)
                else:
                    link_folder({name: self._storage.path(file) for name, file in files.items()}, draft)
        return target
