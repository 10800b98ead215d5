"""Keeps the route table true in the background, at the cost of what changes, and as it was while the database is down.

The database tells each change (`route_changes`). Everything is read at the start, whenever the connection that hears
the changes is new, every hour, and at every look at the clock for as long as nothing is heard: behind a pooler that
hands out connections by transaction, nothing ever is.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from tuneloop.gateway.errors import InvalidKey
from tuneloop.gateway.kept_routes import KeptRoutes
from tuneloop.gateway.metrics import ROUTE_RELOADS, ROUTES
from tuneloop.gateway.route_changes import CHANNEL, Changes
from tuneloop.gateway.route_reading import ORIGIN, RouteReader
from tuneloop.gateway.route_table import Reading, RouteTable
from tuneloop.gateway.routes import Route
from tuneloop.gateway.unknown_names import AskedName, UnknownNames
from tuneloop.identity.key_failures import KeyFailures
from tuneloop.identity.keys import KeyUse, note_use, principal_of_key
from tuneloop.identity.secrets import KEY_PREFIX, token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotAuthenticated, Unavailable
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
EVERYTHING_SECONDS = 3600.0
LISTEN_AGAIN_SECONDS = 2.0
LOOKUPS_AT_ONCE = 4
T = TypeVar("T")


class RouteKeeper:
    """Lives on one event loop; the database is read in threads."""

    def __init__(self, database: Database, kept: KeptRoutes, *, poll_seconds: float = POLL_SECONDS) -> None:
        self.table = RouteTable()
        self._database = database
        self._kept = kept
        self._poll_seconds = poll_seconds
        self._reader = RouteReader()
        self._healthy = True
        self._failures = KeyFailures()
        self._changes = Changes(everything=True)
        self._changed = asyncio.Event()
        self._reading = asyncio.Lock()
        self._everything_at, self._polled_at = 0.0, time.monotonic()
        self._echo, self._heard = f"echo {new_id()}", False
        self._unknown = UnknownNames()
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._used: dict[UUID, KeyUse] = {}

    async def begin(self) -> None:
        """Read the table; while the database is away, the one that a gateway here read last."""
        await self.refresh()
        if not self._healthy and (kept := await asyncio.to_thread(self._kept.recall)) is not None:
            self.table.take(kept)

    async def principal(self, token: str, address: str) -> Principal:
        """The caller behind an API key; a key that is newer than the table costs one look-up.

        Raises:
            InvalidKey: the key is unknown or revoked.
            TooManyAttempts: so were many others from this address.
            Unavailable: the key is not in the table and the database cannot be asked.
        """
        known = self.table.caller(token_digest(token))
        if known is not None:
            return self._noted(known, address)
        self._failures.require_patience(address)
        if not token.startswith(KEY_PREFIX):
            self._failures.count(address)
            raise InvalidKey
        if self._healthy:
            try:
                async with self._lookups:
                    found = await self._ask(lambda session: principal_of_key(session, token=token, origin=ORIGIN))
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
        """The route of a name; one that is newer than the table costs a look at its model."""
        found = self.table.find(principal, name)
        asked = AskedName(principal.agency_id, name)
        if found is not None or not self._healthy or asked in self._unknown:
            return found
        async with self._reading:
            if asked not in self._unknown and (found := self.table.find(principal, name)) is None:
                await self._take(lambda session: self._reader.named(session, *asked))
                if (found := self.table.find(principal, name)) is None:
                    self._unknown.add(asked)
        return found

    async def refresh(self) -> None:
        """Read what has changed; what could not be read is read the next time."""
        async with self._reading:
            changes, self._changes = self._changes, Changes()
            if not changes:
                return
            done = await (
                self._take_everything()
                if changes.everything
                else self._take(lambda session: self._reader.changed(session, changes))
            )
            if not done:
                self._changes.add(changes)
            ROUTE_RELOADS.labels("ok" if done else "failed").inc()
            ROUTES.set(len(self.table))

    async def run(self) -> None:
        """Read on every notification; look at the clock every few seconds. Runs until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._polled_at + self._poll_seconds - time.monotonic()):
                    await self._changed.wait()
            self._changed.clear()
            if time.monotonic() >= self._polled_at + self._poll_seconds:
                await self._poll()
            await self.refresh()

    async def listen(self) -> None:
        """Take the database's notifications. Runs until cancelled."""
        url = _libpq_url(self._database)
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
                async with connection:
                    await connection.execute(f"listen {CHANNEL}")
                    self._heard = True
                    self._hear("")
                    async for notice in connection.notifies():
                        self._hear(notice.payload)
            except psycopg.Error as error:
                log.warning("route_listener_lost", error=error)
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    def _hear(self, payload: str) -> None:
        if payload.startswith("echo "):
            self._heard = self._heard or payload == self._echo
        else:
            self._changes.note(payload)
            self._changed.set()

    async def _poll(self) -> None:
        """Call, to hear it until the next time; write down which keys were used."""
        deaf, self._heard = not self._heard, False
        self._polled_at = time.monotonic()
        self._changes.everything |= deaf or self._polled_at > self._everything_at + EVERYTHING_SECONDS
        used, self._used = self._used, {}

        def call(session: Session) -> None:
            note_use(session, used)
            session.execute(text("select pg_notify(:channel, :echo)"), {"channel": CHANNEL, "echo": self._echo})

        try:
            await self._ask(call)
        except SQLAlchemyError as error:
            self._used = used | self._used
            self._lose(error)
        else:
            self._healthy = True
            await asyncio.to_thread(self._kept.still_true)

    async def _take(self, read: Callable[[Session], Reading]) -> bool:
        """Whether it could be read."""
        try:
            reading = await self._ask(read)
        except SQLAlchemyError as error:
            self._lose(error)
            return False
        self._healthy = True
        if reading.models or reading.keys:
            self.table.take(reading)
            await asyncio.to_thread(self._kept.keep, reading)
        return True

    async def _take_everything(self) -> bool:
        """In pages, so that requests are answered in between; the table of before counts until the new one is whole."""
        table, began, moment = RouteTable(), time.monotonic(), time.time_ns()
        try:
            for page in (self._reader.models_after, self._reader.keys_after):
                last: UUID | None = None
                while True:
                    reading = await self._ask(lambda session: page(session, last))  # noqa: B023
                    ids = [*reading.models, *reading.keys]
                    if not ids:
                        break
                    last = ids[-1]
                    table.take(reading)
                    await asyncio.to_thread(self._kept.keep, reading)
        except SQLAlchemyError as error:
            self._lose(error)
            return False
        self._healthy, self._everything_at, self.table = True, began, table
        await asyncio.to_thread(self._kept.forget_before, moment)
        return True

    def _lose(self, error: SQLAlchemyError) -> None:
        if self._healthy:
            log.warning("route_table_kept", error=error)
        self._healthy = False

    async def _ask(self, question: Callable[[Session], T]) -> T:
        def answer() -> T:
            with self._database.all_agencies() as session:
                return question(session)

        return await asyncio.to_thread(answer)


def _libpq_url(database: Database) -> str:
    engine = database.engine.engine if isinstance(database.engine, Connection) else database.engine
    url: URL = engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)
