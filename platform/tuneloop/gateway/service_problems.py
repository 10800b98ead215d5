"""An external version that does not answer us is the agency's to mend: noted for them, without slowing an answer."""

import asyncio
import time
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tuneloop.gateway.routes import External
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.tables import ExternalEndpoint

log = structlog.get_logger(__name__)

SECONDS_BETWEEN = 60.0


class ServiceProblems:
    """Lives on one event loop; what it notes is looked into by `WatchEndpoint`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[UUID, float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, agency_id: UUID, external: External, problem: str) -> None:
        """At most once a minute for each endpoint."""
        at = time.monotonic()
        if self._noted.get(external.endpoint_id, -SECONDS_BETWEEN) > at - SECONDS_BETWEEN:
            return
        self._noted[external.endpoint_id] = at
        task = asyncio.create_task(self._write(agency_id, external.endpoint_id, problem))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        if self._writing:
            await asyncio.wait(self._writing, timeout=5)

    async def _write(self, agency_id: UUID, endpoint_id: UUID, problem: str) -> None:
        try:
            await asyncio.to_thread(_note, self._database, agency_id, endpoint_id, problem)
        except SQLAlchemyError as error:
            self._noted.pop(endpoint_id, None)
            log.warning("service_problem_not_noted", endpoint_id=str(endpoint_id), error=error)


def _note(database: Database, agency_id: UUID, endpoint_id: UUID, problem: str) -> None:
    with database.unit(agency_id) as session:
        endpoint = session.get(ExternalEndpoint, endpoint_id, with_for_update=True)
        if endpoint is not None and endpoint.problem is None:
            endpoint.problem, endpoint.problem_at = problem, now()
            session.add(endpoint)
