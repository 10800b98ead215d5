"""Bring an installation back from a backup, into an empty data folder. What it would send waits for a person."""

import shutil
from pathlib import Path
from typing import NamedTuple

from psycopg import connect

from tuneloop.kit.db import opened_database
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.migrations import migrate
from tuneloop.kit.settings import Settings
from tuneloop_local.backup import engine
from tuneloop_local.backup.contents import DATABASE, SECRETS, STAND_INS, BackupFolder, Manifest, check, objects_of
from tuneloop_local.backup.outgoing import hold_outgoing
from tuneloop_local.backup.seal import unseal
from tuneloop_local.engines import engines


class Restored(NamedTuple):
    name: str
    manifest: Manifest
    with_secrets: bool


def restore(settings: Settings, folder: BackupFolder, *, name: str | None, passphrase: str | None) -> Restored:
    """Everything is read through before the first file is written, and a failure leaves the target empty again.

    Raises:
        Conflict: the data folder is not empty.
        InvalidInput: the passphrase is another one, or the settings name engines elsewhere.
        CorruptArtifact: the backup is damaged.
    """
    data = settings.data_dir.resolve()
    if settings.database_url or settings.storage_url:
        raise InvalidInput(
            "restore works on the embedded engines: unset TUNELOOP_DATABASE_URL and TUNELOOP_STORAGE_URL"
        )
    if data.exists() and any(data.iterdir()):
        raise Conflict(f"{data} is not empty; restore into an empty folder (--data-dir), nothing is overwritten")
    backup = folder.newest(name)
    manifest = check(folder, backup)
    secret = None
    if passphrase is not None:
        if not manifest.has_secrets:
            raise InvalidInput(f"backup {backup.name} holds no secret key; leave the passphrase out")
        secret = unseal((backup / SECRETS).read_bytes(), passphrase)
    data.mkdir(parents=True, exist_ok=True)
    try:
        _copy_files(folder, backup, data)
        if secret is not None:
            file = data / "secret.key"
            file.touch(mode=0o600)
            file.write_text(secret)
        with engines(settings) as urls:
            with connect(urls.migration, autocommit=True) as owner:
                engine.load(owner, urls.migration, backup / DATABASE)
            migrate(urls.migration)
            with opened_database(urls.migration) as database, database.all_agencies() as session:
                hold_outgoing(session, reason=f"restored from the backup {backup.name}")
    except BaseException:
        for path in data.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
    return Restored(backup.name, manifest, secret is not None)


def _copy_files(folder: BackupFolder, backup: Path, data: Path) -> None:
    for digest in objects_of(backup):
        target = data / "objects" / "sha256" / digest[:2] / digest
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.object_path(digest), target)
    if (backup / STAND_INS).exists():
        shutil.copytree(backup / STAND_INS, data, dirs_exist_ok=True)
