"""Where the command line finds the server and its key: options, environment, or the file that `login` wrote."""

import os
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from tuneloop.cli.failure import ExitCode, Failure

DEFAULT_URL = "http://127.0.0.1:8000"
FILE = "credentials.json"


class Credentials(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    key: str


class Target(BaseModel):
    """The server to speak to. Without a key only signing in is possible."""

    model_config = ConfigDict(frozen=True)

    url: str
    key: str | None


def find_target(data_dir: Path, *, url: str | None, key: str | None) -> Target:
    """What the caller names goes before the file. The file's key is never sent to another server than the file's."""
    saved = None if url and key else load(data_dir)
    if saved is None:
        return Target(url=(url or DEFAULT_URL).rstrip("/"), key=key)
    wanted = (url or saved.url).rstrip("/")
    return Target(url=wanted, key=key or (saved.key if wanted == saved.url.rstrip("/") else None))


def load(data_dir: Path) -> Credentials | None:
    """Raises Failure when the file is there but cannot be read."""
    path = data_dir / FILE
    try:
        return Credentials.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise Failure(
            "usage", f"{path} is not readable as credentials; run 'tuneloop login' again", exit_code=ExitCode.USAGE
        ) from error


def save(data_dir: Path, credentials: Credentials) -> Path:
    """Write the file so that only its owner can read it, whole or not at all."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / FILE
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(orjson.dumps(credentials.model_dump(), option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return path
