"""The last route table on disk, so that a gateway that starts while its database is away can answer.

Keys are there as their hashes, credentials of external services sealed; the file is its user's alone. A key that was
revoked while nobody could read it from the database goes on working for as long as the file counts.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from pydantic import BaseModel, TypeAdapter

from tuneloop.gateway.routes import Route, RouteKey, RouteTable
from tuneloop.kit.principal import Principal
from tuneloop.registry.contract import Contract

log = structlog.get_logger(__name__)

FILE = "routes.json"
COUNTS_SECONDS = 24 * 3600.0
_ROUTE = TypeAdapter(Route)
_ELSEWHERE = {"contract", "candidate"}


class _Name(NamedTuple):
    agency_id: UUID
    name: str
    route: int


class _Table(BaseModel):
    """Routes, contracts and candidates are named by their place in the lists; a candidate's route comes before."""

    principals: dict[str, Principal]
    contracts: list[Contract]
    routes: list[dict[str, Any]]
    names: list[_Name]


class KeptRoutes:
    """Used from one thread at a time. A file that can't be written or read costs the memory and no answer."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._written: RouteTable | None = None

    def keep(self, table: RouteTable) -> None:
        """It is true now."""
        try:
            if table == self._written:
                os.utime(self._path)
            else:
                self._write(_packed(table))
                self._written = table
        except OSError as error:
            self._written = None
            log.warning("routes_not_kept", file=str(self._path), error=error)

    def recall(self) -> RouteTable | None:
        """None without a file that was true within the last day."""
        try:
            age = time.time() - self._path.stat().st_mtime
            if age > COUNTS_SECONDS:
                log.warning("kept_routes_too_old", seconds=age)
                return None
            table = _unpacked(_Table.model_validate_json(self._path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:  # somebody else has written it
            log.warning("kept_routes_not_read", file=str(self._path), error=error)
            return None
        log.warning("kept_routes_used", routes=len(table.routes), seconds=age)
        return table

    def _write(self, content: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self._path)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise


def _packed(table: RouteTable) -> bytes:
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

    names = [_Name(*key, place(route)) for key, route in table.routes.items()]
    packed = _Table(principals=dict(table.principals), contracts=list(contracts), routes=routes, names=names)
    return packed.model_dump_json().encode()


def _unpacked(kept: _Table) -> RouteTable:
    routes: list[Route] = []
    for said in kept.routes:
        candidate = None if said["candidate"] is None else routes[said["candidate"]]
        routes.append(
            _ROUTE.validate_python({**said, "contract": kept.contracts[said["contract"]], "candidate": candidate})
        )
    return RouteTable(kept.principals, {RouteKey(each.agency_id, each.name): routes[each.route] for each in kept.names})
