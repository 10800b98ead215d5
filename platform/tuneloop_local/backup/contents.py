"""What lies in a folder of backups.

    FOLDER/objects/sha256/ab/ab12…     every object that a backup names, once, whichever backups name it
    FOLDER/2026-11-30T15-04-05/        one backup: manifest.json, database.dump, objects.txt, stand-ins/, secrets.json

A backup that was not finished has a name that begins with a dot.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneloop.kit.error_report import describe
from tuneloop.kit.errors import CorruptArtifact, NotFound
from tuneloop.kit.storage import digest_file

MANIFEST, DATABASE, OBJECTS, SECRETS, STAND_INS = (
    "manifest.json",
    "database.dump",
    "objects.txt",
    "secrets.json",
    "stand-ins",
)


class Manifest(BaseModel):
    """`files` are the digests of the backup's other files; `schema_revision` is that of the migrations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    schema_revision: str
    made_at: datetime
    files: dict[str, str]
    objects: int
    objects_bytes: int
    has_secrets: bool


class BackupFolder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def names(self) -> list[str]:
        """Finished backups, the oldest first."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{MANIFEST}") if path.parent.name[0] != ".")

    def newest(self, name: str | None = None) -> Path:
        """The folder of the named backup, or of the newest one. Raises NotFound."""
        names = self.names()
        if not names or (name is not None and name not in names):
            raise NotFound("finished backup", name or f"in {self.folder}")
        return self.folder / (name or names[-1])

    def object_path(self, digest: str) -> Path:
        return self.folder / "objects" / "sha256" / digest[:2] / digest

    def stored(self) -> Iterator[Path]:
        yield from (self.folder / "objects" / "sha256").glob("*/*")


def read_manifest(backup: Path) -> Manifest:
    try:
        return Manifest.model_validate_json((backup / MANIFEST).read_bytes())
    except ValidationError as error:
        raise CorruptArtifact(f"{backup.name} has a damaged manifest: {describe(error)}") from error


def objects_of(backup: Path) -> list[str]:
    return (backup / OBJECTS).read_text().split()


def check(folder: BackupFolder, backup: Path) -> Manifest:
    """Read everything that a restoration needs.

    Raises:
        CorruptArtifact: a file is missing or has changed, each named.
    """
    manifest = read_manifest(backup)
    files = {backup / name: digest for name, digest in manifest.files.items()}
    problems = [f"{path.name}: {wrong}" for path, digest in files.items() if (wrong := _wrong(path, digest))]
    if not problems:
        found = {digest: _wrong(folder.object_path(digest), digest) for digest in objects_of(backup)}
        problems = [f"object {digest[:12]}: {wrong}" for digest, wrong in found.items() if wrong]
    if problems:
        more = f" and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise CorruptArtifact(
            f"backup {backup.name} can't be restored as it is: {'; '.join(problems[:10])}{more}. Remove what has "
            "changed and make a new backup: it copies what is missing"
        )
    return manifest


def _wrong(path: Path, digest: str) -> str:
    if not path.is_file():
        return "missing"
    return "" if digest_file(path) == digest else "changed"
