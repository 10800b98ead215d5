"""Processes of the platform package, and `up`: the engines and every process of one installation."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_urlsafe

import httpx
from granian.constants import Interfaces
from granian.server import Server as Granian
from rich.console import Console

from tuneloop.identity.principal import Principal
from tuneloop.identity.service import add_member, create_key
from tuneloop.identity.service import create_agency as new_agency
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.engines import embedded_secret, engines
from tuneloop.kit.errors import Unavailable
from tuneloop.kit.migrations import migrate as migrate_url
from tuneloop.kit.settings import Settings
from tuneloop.supervisor import Supervisor
from tuneloop.tables import ActorKind, Role

CHILDREN = (("scheduler",), ("worker", "--queues", "default"), ("worker", "--queues", "gpu"), ("serve",), ("web",))
READY_SECONDS = 120.0
ENGINES_FILE = "engines.json"
CREDENTIALS_FILE = "credentials.json"


def web(settings: Settings) -> None:
    """API and gateway, until SIGTERM."""
    Granian(
        "tuneloop.asgi:app_from_environment",
        factory=True,
        address=settings.web_host,
        port=settings.web_port,
        interface=Interfaces.ASGI,
        workers=settings.web_workers,
        log_access=False,
        workers_kill_timeout=20,
    ).serve()


def migrate(settings: Settings) -> None:
    """Bring the schema up to date; needs the URL of the role that owns it."""
    if settings.database_url:
        migrate_url(settings.migration_url or settings.database_url)
        return
    with running_engines(settings):
        pass


def up(settings: Settings) -> None:
    """Everything, until Ctrl-C: engines, migrations, web, workers, scheduler, serving host."""
    console = Console(stderr=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with installation(settings) as (running, _):
        console.print(f"[bold]Tuneloop is up[/] at {web_url(running)}  (API: /schema, logs: {running.data_dir}/logs)")
        console.print("First time? [bold]tuneloop agency create --help[/]. Ctrl-C stops everything.")
        stop.wait()
        console.print("stopping …")


@contextmanager
def installation(settings: Settings) -> Iterator[tuple[Settings, Supervisor]]:
    """Engines and all processes, ready to answer; stopped when the block ends."""
    with running_engines(settings) as running:
        supervisor = Supervisor(CHILDREN, environment_of(running), running.data_dir / "logs")
        supervisor.start()
        try:
            wait_ready(f"{web_url(running)}/readyz")
            wait_ready(f"{running.serve_url}/healthz")
            yield running, supervisor
        finally:
            supervisor.stop()


@contextmanager
def running_engines(settings: Settings) -> Iterator[Settings]:
    """Settings with the URLs of running, migrated engines: those of a running `up` if there is one."""
    found = _running(settings)
    if found is not None:
        yield found
        return
    with engines(settings) as urls:
        migrate_url(urls.migration)
        values = {
            "database_url": urls.database,
            "migration_url": urls.migration,
            "broker_url": urls.broker,
            "secret_key": settings.secret_key.get_secret_value() or embedded_secret(settings.data_dir),
            "serve_token": settings.serve_token.get_secret_value() or token_urlsafe(24),
        }
        note = settings.data_dir / ENGINES_FILE
        note.touch(mode=0o600)
        note.write_text(json.dumps({**values, "pid": os.getpid()}))
        try:
            yield settings.model_validate({**settings.model_dump(), **values})
        finally:
            note.unlink(missing_ok=True)


def _running(settings: Settings) -> Settings | None:
    """The engines of a running installation in the same data folder, or those that the settings name."""
    if settings.database_url:
        return settings
    note = settings.data_dir / ENGINES_FILE
    if not note.exists():
        return None
    values = json.loads(note.read_text())
    try:
        os.kill(values.pop("pid"), 0)
    except ProcessLookupError:
        return None
    return settings.model_validate({**settings.model_dump(), **values})


def environment_of(settings: Settings) -> dict[str, str]:
    """Environment from which a child process reads the same settings."""
    return {
        "TUNELOOP_DATA_DIR": str(settings.data_dir.resolve()),
        "TUNELOOP_DATABASE_URL": settings.database_url,
        "TUNELOOP_MIGRATION_URL": settings.migration_url,
        "TUNELOOP_BROKER_URL": settings.broker_url,
        "TUNELOOP_STORAGE_URL": settings.storage,
        "TUNELOOP_SECRET_KEY": settings.secret_key.get_secret_value(),
        "TUNELOOP_SERVE_TOKEN": settings.serve_token.get_secret_value(),
        "TUNELOOP_SERVE_URL": settings.serve_url,
        "TUNELOOP_WEB_HOST": settings.web_host,
        "TUNELOOP_WEB_PORT": str(settings.web_port),
        "TUNELOOP_THREADS": str(settings.threads),
    }


def web_url(settings: Settings) -> str:
    return f"http://{settings.web_host}:{settings.web_port}"


def wait_ready(url: str, *, seconds: float = READY_SECONDS) -> None:
    """Raises Unavailable when `url` does not answer 200 in time."""
    transport = httpx.HTTPTransport(retries=0)
    pause = threading.Event()
    with httpx.Client(transport=transport, timeout=5) as client:
        for _ in range(int(seconds / 0.25)):
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                pass
            pause.wait(0.25)
    raise Unavailable(f"{url} did not become ready in {seconds:.0f} s; look at the logs folder", url=url)


def create_agency(settings: Settings, *, slug: str, name: str, email: str, owner: str, password: str) -> str:
    """A new agency with its owner and a first API key, which is also kept as this machine's credentials."""
    with running_engines(settings) as running:
        with Database(make_engine(running.database_url)).all_agencies() as session:
            agency = new_agency(session, slug=slug, name=name)
            session.agency_id, session.all_agencies = agency.id, True
            setup = Principal(agency.id, Role.OWNER, ActorKind.SYSTEM, None, "setup", "cli")
            add_member(session, principal=setup, email=email, name=owner, role=Role.OWNER, password=password)
            _, key = create_key(session, principal=setup, name="first key", role=Role.OWNER, client=None)
        save_credentials(running, url=web_url(running), key=key)
    return key


def save_credentials(settings: Settings, *, url: str, key: str) -> None:
    path = settings.data_dir / CREDENTIALS_FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps({"url": url, "key": key}))
