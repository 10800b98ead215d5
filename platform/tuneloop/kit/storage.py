"""Object store, content-addressed: a file's name is its SHA-256, so a path never comes from a caller."""

import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import obstore
import orjson
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url
from pydantic import TypeAdapter, ValidationError

from tuneloop.kit.clock import now
from tuneloop.kit.error_report import describe
from tuneloop.kit.errors import CorruptArtifact, NotFound, OutOfSpace, TuneloopError, Unavailable

YOUNG = timedelta(hours=12)
"""What is stored again later than this is new again, so that it is not swept before a row names it."""
_FOLDER = "files"
_BEGINNING = b'{"files":{'


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


class StoredObject(NamedTuple):
    digest: str
    size: int
    stored_at: datetime


class Storage:
    """Blobs by digest in a folder or a bucket, with verified local copies for code that needs a path."""

    def __init__(self, url: str, *, cache: Path) -> None:
        parts = urlsplit(url)
        self.root: Path | None = None
        self._cache = cache
        self._verified: set[str] = set()
        self._store: ObjectStore
        if parts.scheme == "file":
            self.root = Path(unquote(parts.path))
            self._store = LocalStore(self.root, mkdir=True)
        else:
            self._store = from_url(url)

    def put_bytes(self, data: bytes) -> str:
        digest = sha256(data).hexdigest()
        self._put(digest, data, len(data))
        return digest

    def put_file(self, path: Path, *, give: bool = False) -> str:
        """Store a file; returns its digest. Storing the same content again is free.

        With `give` nobody writes to the file again, so a store on the same disk takes it as it is, without a copy.
        """
        digest, size = digest_file(path), path.stat().st_size
        if not (give and self._link(digest, path, size)):
            self._put(digest, path, size)
        return digest

    def put_folder(self, folder: Path, *, give: bool = False) -> str:
        """Store each file of a folder as an object, hidden ones left out; returns the digest of the list of them."""
        files = {
            name.as_posix(): self.put_file(folder / name, give=give)
            for name in sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
            if not any(part.startswith(".") for part in name.parts)
        }
        return self.put_bytes(orjson.dumps({_FOLDER: files}, option=orjson.OPT_SORT_KEYS))

    def read(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def exists(self, digest: str) -> bool:
        return self._size(digest) is not None

    def size(self, digest: str) -> int:
        """In bytes. Raises NotFound."""
        size = self._size(digest)
        if size is None:
            raise NotFound("object", digest)
        return size

    def path(self, digest: str) -> Path:
        """A local, verified, read-only copy.

        Raises:
            NotFound: there is no such object.
            CorruptArtifact: the stored bytes do not match their digest.
        """
        local = (self.root or self._cache) / _key(digest)
        if not local.exists():
            if self.root is not None:
                raise NotFound("object", digest)
            self._download(digest, local)
            self._verified.discard(digest)
        elif self.root is None:
            os.utime(local)  # it is in use: copies that nobody uses make room for others
        if digest not in self._verified:
            if digest_file(local) != digest:
                if self.root is None:
                    local.unlink()
                raise CorruptArtifact(f"object {digest[:12]} does not match its digest; restore it from a backup")
            self._verified.add(digest)
        return local

    def files_of(self, digest: str) -> dict[str, str] | None:
        """Digest by relative path of a stored folder; None when the object is a file. Only folders' lists are read."""
        try:
            beginning = bytes(obstore.get_range(self._store, _key(digest), start=0, length=len(_BEGINNING)))
        except FileNotFoundError:
            raise NotFound("object", digest) from None
        except BaseError as error:
            raise self._refused(error) from error
        return folder_files(self.path(digest)) if beginning == _BEGINNING else None

    def digests(self) -> Iterator[StoredObject]:
        """Everything that is stored."""
        try:
            for listed in obstore.list(self._store, prefix="sha256"):
                for each in listed:
                    yield StoredObject(each["path"].rpartition("/")[2], each["size"], each["last_modified"])
        except BaseError as error:
            raise self._refused(error) from error

    def delete(self, digest: str) -> None:
        """Take an object away for good, with this machine's copy of it; one that is not there is no error."""
        (self._cache / _key(digest)).unlink(missing_ok=True)
        self._verified.discard(digest)
        try:
            obstore.delete(self._store, _key(digest))
        except FileNotFoundError:
            return
        except BaseError as error:
            raise self._refused(error) from error

    def stored_at(self, digest: str) -> datetime:
        """When it was stored last, to within half a day. Raises NotFound."""
        found = self._found(digest)
        if found is None:
            raise NotFound("object", digest)
        return found.stored_at

    def _size(self, digest: str) -> int | None:
        found = self._found(digest)
        return None if found is None else found.size

    def _found(self, digest: str) -> StoredObject | None:
        try:
            head = obstore.head(self._store, _key(digest))
        except FileNotFoundError:
            return None
        except BaseError as error:
            raise self._refused(error) from error
        return StoredObject(digest, head["size"], head["last_modified"])

    def _is_there(self, digest: str, size: int) -> bool:
        """And will be for another while: see `sweep_objects`."""
        found = self._found(digest)
        if found is None or found.size != size:
            return False
        if found.stored_at > now() - YOUNG:
            return True
        if self.root is None:
            return False
        os.utime(self.root / _key(digest))
        return True

    def _put(self, digest: str, data: bytes | Path, size: int) -> None:
        if self._is_there(digest, size):
            return
        try:
            obstore.put(self._store, _key(digest), data)
            if self.root is not None:
                _sync(self.root / _key(digest))
        except (OSError, BaseError) as error:
            raise self._refused(error) from error

    def _link(self, digest: str, path: Path, size: int) -> bool:
        """False where the store is a bucket, another disk, or can't hold one file under two names."""
        if self.root is None:
            return False
        if self._is_there(digest, size):
            return True
        target = self.root / _key(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            target.hardlink_to(path.resolve())
        except OSError:
            return False
        _sync(target)
        return True

    def _refused(self, error: Exception) -> TuneloopError:
        if self.root is not None:
            return OutOfSpace(f"could not store an object: {error}; free space and try again")
        return Unavailable(f"the object store does not answer: {error}; try again later")

    def _download(self, digest: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            stream = obstore.get(self._store, _key(digest)).stream(min_chunk_size=4 << 20)
        except FileNotFoundError:
            raise NotFound("object", digest) from None
        except BaseError as error:
            raise self._refused(error) from error
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            try:
                for chunk in stream:
                    file.write(bytes(chunk))
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).rename(target)
            except OSError as error:
                Path(file.name).unlink(missing_ok=True)
                raise OutOfSpace(f"could not cache object {digest[:12]}: {error}") from error
            except BaseError as error:
                Path(file.name).unlink(missing_ok=True)
                raise self._refused(error) from error


def pack_folder(folder: Path, target: Path) -> Path:
    """One uncompressed archive of a folder, byte for byte the same for the same files."""

    def anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        info.mode = 0o644
        return info

    with tarfile.open(target, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.add(path, arcname=str(path.relative_to(folder)), recursive=False, filter=anonymous)
    return target


def unpack_folder(archive: Path, target: Path) -> Path:
    """Unpack what `pack_folder` made; refuses links, devices and paths outside the target.

    Raises:
        CorruptArtifact: the file is not such an archive.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:") as opened:
            opened.extractall(target, filter="data")
    except tarfile.TarError as error:
        raise CorruptArtifact(f"{archive.name} is not one of our archives: {error}") from error
    return target


def folder_files(listed: Path) -> dict[str, str] | None:
    """Digest by relative path of a folder stored with `put_folder`; None when the object is something else.

    Raises:
        CorruptArtifact: a path leads out of the folder.
    """
    with listed.open("rb") as file:
        if file.read(len(_BEGINNING)) != _BEGINNING:
            return None
        try:
            files = TypeAdapter(dict[str, str]).validate_python(orjson.loads(_BEGINNING + file.read())[_FOLDER])
        except (orjson.JSONDecodeError, ValidationError) as error:
            raise CorruptArtifact(f"{listed.name[:12]} is not a list of files: {describe(error)}") from error
    if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in files):
        raise CorruptArtifact(f"{listed.name[:12]} lists files outside of its folder")
    return files


def link_folder(files: Mapping[str, Path], target: Path) -> None:
    """Lays local, read-only files out as a folder without copying them: hard links, or symbolic ones between disks."""
    for name, path in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            (target / name).hardlink_to(path.resolve())
        except OSError:
            (target / name).symlink_to(path.resolve())


def _key(digest: str) -> str:
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise NotFound("object", digest)
    return f"sha256/{digest[:2]}/{digest}"


def _sync(path: Path) -> None:
    for entry in (path, path.parent):
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
