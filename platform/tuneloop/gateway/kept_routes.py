"""Keys and routes on disk, so that a gateway that starts while its database is away can answer.

Keys are there as their hashes, credentials of external services sealed; the file is its user's alone. A key that was
revoked while nobody could read it from the database goes on working for as long as the file counts. A change costs
what changed: one row a model, one a key. Several gateways of a data folder write the same rows.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel, TypeAdapter

from tuneloop.gateway.route_table import ModelRoutes, Reading
from tuneloop.gateway.routes import Route
from tuneloop.identity.keys import KnownKey
from tuneloop.registry.contract import Contract

log = structlog.get_logger(__name__)

FILE = "routes.sqlite"
TABLES = ("model", "key")
WHOLE = 1
COUNTS_SECONDS = 24 * 3600.0
BUSY_SECONDS = 5.0
_ROUTE = TypeAdapter(Route)
_SECRETS = TypeAdapter(list[KnownKey])
_ELSEWHERE = {"contract", "candidate"}
_UNREADABLE = (OSError, sqlite3.Error, ValueError, LookupError, TypeError)


class _Model(BaseModel):
    """Contracts, routes and candidates are named by their place in the lists; a candidate's route comes before."""

    agency_id: UUID
    contracts: list[Contract]
    routes: list[dict[str, Any]]
    names: dict[str, int]


class KeptRoutes:
    """Used from one thread at a time. A file that can't be written or read costs the memory and no answer."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def keep(self, reading: Reading) -> None:
        moment = time.time_ns()
        models = [(str(key), None if routes is None else _packed(routes)) for key, routes in reading.models.items()]
        keys = [
            (str(key), _SECRETS.dump_json(list(secrets)).decode() if secrets else None)
            for key, secrets in reading.keys.items()
        ]
        with self._written() as file:
            for table, rows in zip(TABLES, (models, keys), strict=True):
                gone = [(each,) for each, said in rows if said is None]
                file.executemany(f"delete from {table} where id = ?", gone)  # noqa: S608
                there = [(each, said, moment) for each, said in rows if said is not None]
                file.executemany(f"insert or replace into {table} values (?, ?, ?)", there)  # noqa: S608

    def forget_before(self, moment: int) -> None:
        """What has not been kept since, in nanoseconds of `time.time_ns`, is gone: everything was read after it."""
        with self._written() as file:
            for table in TABLES:
                file.execute(f"delete from {table} where at < ?", (moment,))  # noqa: S608
            file.execute(f"pragma user_version = {WHOLE}")

    def still_true(self) -> None:
        with suppress(OSError):
            os.utime(self._path)

    def recall(self) -> Reading | None:
        """None without a file that was true within the last day, and into which everything was once written."""
        try:
            age = time.time() - self._path.stat().st_mtime
            if age > COUNTS_SECONDS:
                log.warning("kept_routes_too_old", seconds=age)
                return None
            with closing(self._opened()) as file:
                if file.execute("pragma user_version").fetchone() != (WHOLE,):
                    return None
                models, keys = (file.execute(f"select id, content from {table}") for table in TABLES)  # noqa: S608
                reading = Reading(
                    {UUID(key): _unpacked(said) for key, said in models},
                    {UUID(key): _SECRETS.validate_json(said) for key, said in keys},
                )
        except FileNotFoundError:
            return None
        except _UNREADABLE as error:  # torn, or somebody else has written it
            log.warning("kept_routes_not_read", file=str(self._path), error=error)
            return None
        log.warning("kept_routes_used", models=len(reading.models), seconds=age)
        return reading

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        """One transaction; a file that is no database, or a damaged one, makes place for a new one."""
        try:
            with closing(self._opened()) as file, file:
                yield file
        except _UNREADABLE as error:
            log.warning("routes_not_kept", file=str(self._path), error=error)
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        file = sqlite3.connect(self._path, timeout=BUSY_SECONDS)
        try:
            for table in TABLES:
                file.execute(f"create table if not exists {table} (id text primary key, content text, at integer)")
        except sqlite3.Error:
            file.close()
            raise
        return file


def _packed(model: ModelRoutes) -> str:
    contracts: dict[Contract, int] = {}
    places: dict[int, int] = {}
    routes: list[dict[str, Any]] = []

    def place(route: Route) -> int:
        if id(route) not in places:
            candidate = None if route.candidate is None else place(route.candidate)
            contract = contracts.setdefault(route.contract, len(contracts))
            said = _ROUTE.dump_python(route, mode="json", exclude=_ELSEWHERE)
            routes.append({**said, "contract": contract, "candidate": candidate})
            places[id(route)] = len(routes) - 1
        return places[id(route)]

    names = {name: place(route) for name, route in model.names.items()}
    return _Model(agency_id=model.agency_id, contracts=list(contracts), routes=routes, names=names).model_dump_json()


def _unpacked(said: str) -> ModelRoutes:
    kept = _Model.model_validate_json(said)
    routes: list[Route] = []
    for each in kept.routes:
        candidate = None if each["candidate"] is None else routes[each["candidate"]]
        routes.append(
            _ROUTE.validate_python({**each, "contract": kept.contracts[each["contract"]], "candidate": candidate})
        )
    return ModelRoutes(kept.agency_id, {name: routes[place] for name, place in kept.names.items()})
