"""Make a backup while everything runs.

The database comes first, as one snapshot sees it; an object is stored before a row names it and never changes, so what
the snapshot names can be copied afterwards at leisure. Meanwhile nothing is swept from the store.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from psycopg import Connection, IsolationLevel, connect

from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, OutOfSpace
from tuneloop.kit.named_objects import KEEP_OBJECTS, named_digests, with_contents
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage, digest_file
from tuneloop_local.backup import engine
from tuneloop_local.backup.contents import (
    DATABASE,
    MANIFEST,
    OBJECTS,
    SECRETS,
    STAND_INS,
    BackupFolder,
    Manifest,
    objects_of,
)
from tuneloop_local.backup.seal import seal
from tuneloop_local.engines import engines
from tuneloop_local.installation import running_settings

LOCAL_STATE = ("ports.json", "stripe-emulator.json", "slack-emulator.json", "mailbox")
"""Of the data folder beside the engines: ports that links name, and what the stand-ins of outside services know."""


class Made(NamedTuple):
    name: str
    manifest: Manifest
    copied: int
    copied_bytes: int


def back_up(settings: Settings, folder: BackupFolder, *, passphrase: str | None) -> Made:
    """One more backup in the folder; objects that it holds already are not copied again.

    Raises:
        InvalidInput: there is nothing to back up, or it lies in engines elsewhere, whose own backups are to be used.
        OutOfSpace: the folder's disk is too small; nothing of this backup remains.
    """
    if settings.database_url:
        raise InvalidInput(
            "TUNELOOP_DATABASE_URL names a database that is not embedded: back it up with its own means "
            "(platform/docs/backup.md, 'Managed engines')"
        )
    if not (settings.data_dir / "postgres" / "PG_VERSION").exists():
        raise InvalidInput(f"there is no installation in {settings.data_dir}; name its folder with --data-dir")
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    folder.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{now().astimezone(UTC):%Y-%m-%dT%H-%M-%S-%f}"
    draft = folder.folder / f".{name}"
    draft.mkdir(mode=0o700)
    try:
        with _owner_url(settings) as url, connect(url) as owner:
            digests, revision = _database(owner, url, draft / DATABASE)
            objects = sorted(with_contents(storage, digests)) if storage.root is not None else []
            sizes = {digest: storage.size(digest) for digest in objects}
            missing = [digest for digest in objects if not _is_there(folder.object_path(digest), sizes[digest])]
            _require_space(folder.folder, sum(sizes[digest] for digest in missing))
            for digest in missing:
                _copy(storage.path(digest), folder.object_path(digest), digest)
        (draft / OBJECTS).write_text("".join(f"{digest}\n" for digest in objects))
        _copy_local_state(settings.data_dir, draft / STAND_INS)
        secret = _secret_of(settings)
        if passphrase is not None and secret is not None:
            (draft / SECRETS).write_bytes(seal(secret, passphrase))
        manifest = Manifest(
            version=version("tuneloop"),
            schema_revision=revision,
            made_at=now(),
            files={path.relative_to(draft).as_posix(): digest_file(path) for path in _files(draft)},
            objects=len(objects),
            objects_bytes=sum(sizes.values()),
            has_secrets=(draft / SECRETS).exists(),
        )
        (draft / MANIFEST).write_text(manifest.model_dump_json(indent=1))
        for path in _files(draft):
            path.chmod(0o600)
            _to_disk(path)
        draft.rename(folder.folder / name)
        _to_disk(folder.folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Made(name, manifest, len(missing), sum(sizes[digest] for digest in missing))


def prune(folder: BackupFolder, *, keep: int) -> list[str]:
    """Remove all backups but the newest `keep`, then the objects that no backup names; returns the removed ones."""
    removed = folder.names()[:-keep]
    for name in removed:
        shutil.rmtree(folder.folder / name)
    if removed:
        named = {digest for name in folder.names() for digest in objects_of(folder.folder / name)}
        for path in folder.stored():
            if path.name not in named:
                path.unlink()
    return removed


@contextmanager
def _owner_url(settings: Settings) -> Iterator[str]:
    """Of the engine that runs, or of one that is started as it is: a backup migrates nothing."""
    running = running_settings(settings)
    if running is not None:
        yield running.migration_url
        return
    with engines(settings) as urls:
        yield urls.migration


def _database(owner: Connection, url: str, target: Path) -> tuple[set[str], str]:
    """Dump it; the digests that it names and the revision of its schema, at the same moment."""
    owner.isolation_level = IsolationLevel.REPEATABLE_READ
    owner.execute("select pg_advisory_lock_shared(%s)", (KEEP_OBJECTS,))
    owner.commit()
    row = owner.execute("select pg_export_snapshot()").fetchone()
    assert row is not None
    engine.dump(url, str(row[0]), target)

    def texts(statement: str) -> Iterable[str]:
        return (text for (text,) in owner.execute(statement))

    revision = owner.execute("select version_num from alembic_version").fetchone()
    assert revision is not None
    return named_digests(texts), str(revision[0])


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _copy(source: Path, target: Path, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_name(f".{digest}")
    try:
        shutil.copyfile(source, draft)
        _to_disk(draft)
        draft.rename(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutOfSpace(f"object {digest[:12]} could not be copied: {error.strerror}") from error


def _copy_local_state(data: Path, target: Path) -> None:
    target.mkdir()
    for name in LOCAL_STATE:
        if (data / name).is_dir():
            shutil.copytree(data / name, target / name)
        elif (data / name).exists():
            shutil.copyfile(data / name, target / name)


def _secret_of(settings: Settings) -> str | None:
    if given := settings.secret_key.get_secret_value():
        return given
    file = settings.data_dir / "secret.key"
    return file.read_text().strip() if file.exists() else None


def _require_space(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise OutOfSpace(
            f"the backup needs {wanted:,} bytes more in {folder}, and {free:,} are free", wanted=wanted, free=free
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
