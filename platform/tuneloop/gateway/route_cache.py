"""Keeps the route table fresh in the background, and the last good one while the database is down."""

import asyncio
import time
from contextlib import suppress
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import URL, Connection
from sqlalchemy.exc import SQLAlchemyError

from tuneloop.gateway.errors import InvalidKey
from tuneloop.gateway.kept_routes import KeptRoutes
from tuneloop.gateway.metrics import ROUTE_RELOADS, ROUTES
from tuneloop.gateway.routes import ORIGIN, Route, RouteLoader, RouteTable
from tuneloop.identity.key_failures import KeyFailures
from tuneloop.identity.keys import KeyUse, note_use, principal_of_key
from tuneloop.identity.route_changes import CHANNEL
from tuneloop.identity.secrets import KEY_PREFIX, token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotAuthenticated, Unavailable
from tuneloop.kit.principal import Principal

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
LISTEN_AGAIN_SECONDS = 2.0
LOOKUPS_AT_ONCE = 4


class RouteKeeper:
    """Lives on one event loop; the database is read in threads."""

    def __init__(self, database: Database, kept: KeptRoutes) -> None:
        self.table = RouteTable()
        self._database = database
        self._kept = kept
        self._loader = RouteLoader()
        self._healthy = True
        self._failures = KeyFailures()
        self._changed = asyncio.Event()
        self._loading = asyncio.Lock()
        self._load_began = 0.0
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._used: dict[UUID, KeyUse] = {}

    async def begin(self) -> None:
        """Read the table; while the database is away, the one that a gateway here read last."""
        await self.reload()
        if not self._healthy and (kept := await asyncio.to_thread(self._kept.recall)) is not None:
            self.table = kept

    async def principal(self, token: str, address: str) -> Principal:
        """The caller behind an API key; a key that is newer than the table costs one look-up.

        Raises:
            InvalidKey: the key is unknown or revoked.
            TooManyAttempts: so were many others from this address.
            Unavailable: the key is not in the table and the database cannot be asked.
        """
        digest = token_digest(token)
        known = self.table.principals.get(digest)
        if known is not None:
            return self._noted(known, address)
        self._failures.require_patience(address)
        if not token.startswith(KEY_PREFIX):
            self._failures.count(address)
            raise InvalidKey
        if self._healthy:
            try:
                async with self._lookups:
                    found = await asyncio.to_thread(self._look_up, token)
                return self._noted(found, address)
            except NotAuthenticated:
                self._failures.count(address)
                raise InvalidKey from None
            except SQLAlchemyError as error:
                log.warning("key_lookup_failed", error=error)
        raise Unavailable("this key cannot be checked just now; try again shortly", retry_after_seconds=5)

    def _noted(self, principal: Principal, address: str) -> Principal:
        if principal.actor_id is not None:
            self._used[principal.actor_id] = KeyUse(now(), address)
        return principal

    async def route(self, principal: Principal, name: str) -> Route | None:
        """The route of a name; one that is newer than the table costs one reload, shared by all who wait for it."""
        found = self.table.find(principal, name)
        if found is None and self._healthy:
            await self.reload()
            found = self.table.find(principal, name)
        return found

    async def reload(self) -> None:
        """Read the table, unless a read that began after this call has done so already."""
        asked = time.monotonic()
        async with self._loading:
            if self._load_began > asked:
                return
            self._load_began = time.monotonic()
            try:
                self.table = await asyncio.to_thread(self._load)
            except SQLAlchemyError as error:
                ROUTE_RELOADS.labels("failed").inc()
                if self._healthy:
                    log.warning("route_table_kept", error=error)
                self._healthy = False
                return
        self._healthy = True
        ROUTE_RELOADS.labels("ok").inc()
        ROUTES.set(len(self.table.routes))

    async def run(self) -> None:
        """Reload on every notification, and every few seconds in case one was lost. Runs until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            await self.reload()

    async def listen(self) -> None:
        """Turn notifications of the database into reloads. Runs until cancelled."""
        url = _libpq_url(self._database)
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
                async with connection:
                    await connection.execute(f"listen {CHANNEL}")
                    self._changed.set()
                    async for _ in connection.notifies():
                        self._changed.set()
            except psycopg.Error as error:
                log.warning("route_listener_lost", error=error)
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    def _load(self) -> RouteTable:
        used, self._used = self._used, {}
        with self._database.all_agencies() as session:
            note_use(session, used)
            table = self._loader.load(session)
        self._kept.keep(table)
        return table

    def _look_up(self, token: str) -> Principal:
        with self._database.all_agencies() as session:
            return principal_of_key(session, token=token, origin=ORIGIN)


def _libpq_url(database: Database) -> str:
    engine = database.engine.engine if isinstance(database.engine, Connection) else database.engine
    url: URL = engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)
