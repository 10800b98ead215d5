"""One installation on one machine: the embedded engines and every process, started and stopped together."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

import httpx
from pydantic import SecretStr
from rich.console import Console

from tuneloop.founding.setup_codes import Door, door, new_setup_code
from tuneloop.kit.db import opened_database
from tuneloop.kit.disk import disk_of
from tuneloop.kit.errors import Conflict, Unavailable
from tuneloop.kit.migrations import migrate
from tuneloop.kit.processes import exists
from tuneloop.kit.settings import Settings
from tuneloop_local.engines import engines
from tuneloop_local.logs import bounded_logs
from tuneloop_local.ports import require_free_ports
from tuneloop_local.supervisor import Supervisor

CHILDREN = (
    ("scheduler",),
    ("worker", "--queues", "quick", "--queues", "default"),
    ("worker", "--queues", "slow"),
    ("worker", "--queues", "gpu"),
    ("serve",),
    ("bot",),
    ("web",),
)
MAILBOX = ("mailbox",)
STRIPE = ("stripe-emulator",)
SLACK = ("slack-emulator",)
EMULATOR_CLIENT = "emulator"
EMULATOR_KEY = "sk_test_emulator_"
READY_SECONDS = 120.0
NOTE = "running.json"


def up(settings: Settings) -> None:
    """Everything, until Ctrl-C: engines, migrations, web, workers, scheduler, serving host."""
    console = Console(stderr=True)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with installation(settings) as (running, _):
        console.print(f"[bold]Tuneloop is up[/] at {running.web_url}  (API: /schema, logs: {running.data_dir}/logs)")
        if MAILBOX in children_of(running):
            console.print(f"Mail goes to the local mailbox at http://127.0.0.1:{running.mailbox_port}")
        if STRIPE in children_of(running):
            console.print(f"Stripe is emulated at {running.stripe_emulator_url}; no money moves")
        if SLACK in children_of(running):
            console.print(
                f"Slack is emulated at {running.slack_emulator_url}; connect it with 'tuneloop slack install'"
            )
        if (code := first_code(running)) is not None:
            console.print(f"First time? Open [bold]{running.site_url}/setup[/] and enter this code: [bold]{code}[/]")
        if (disk := disk_of(running.data_dir)).is_short:
            console.print(f"[bold]Little room is left[/]: {disk}")
        console.print("Ctrl-C stops everything.")
        stop.wait()
        console.print("stopping …")


def first_code(settings: Settings) -> str | None:
    """A new set-up code, while nobody has set up an agency."""
    with opened_database(settings.database_url) as database, database.all_agencies() as session:
        return new_setup_code(session, settings) if door(session, settings) is Door.FIRST else None


@contextmanager
def installation(settings: Settings) -> Iterator[tuple[Settings, Supervisor]]:
    """Engines and all processes, ready to answer; stopped when the block ends.

    Raises:
        Conflict: another one runs in the same data folder, or another program has one of the ports.
        Unavailable: it did not become ready.
    """
    if (other := running_settings(settings)) is not None:
        raise Conflict(f"Tuneloop is running in {settings.data_dir} already, at {other.web_url}; stop it first")
    require_free_ports(settings)
    with running_engines(settings) as running:
        supervisor = Supervisor(children_of(running), environment_of(running), running.data_dir / "logs")
        supervisor.start()
        try:
            with bounded_logs(running.data_dir.resolve()):
                wait_ready(f"{running.web_url}/readyz")
                yield running, supervisor
        finally:
            supervisor.stop()


def children_of(settings: Settings) -> tuple[tuple[str, ...], ...]:
    """The processes of an installation: with a stand-in for each outside service that no setting names."""
    mailbox = () if settings.smtp_url.get_secret_value() else (MAILBOX,)
    stripe = (STRIPE,) if settings.stripe_is_emulated else ()
    slack = (SLACK,) if settings.slack_client_id == EMULATOR_CLIENT else ()
    return (*CHILDREN, *mailbox, *stripe, *slack)


@contextmanager
def running_engines(settings: Settings) -> Iterator[Settings]:
    """Settings with the URLs of running, migrated engines: those of a running installation if there is one."""
    if (found := running_settings(settings)) is not None:
        yield found
        return
    with engines(settings) as urls:
        migrate(urls.migration)
        running = settings.model_copy(
            update=_stripe_of(settings)
            | _slack_of(settings)
            | {
                "database_url": urls.database,
                "migration_url": urls.migration,
                "broker_url": urls.broker,
                "secret_key": settings.secret_key if settings.secret_key.get_secret_value() else kept_secret(settings),
                "serve_token": settings.serve_token if settings.serve_token.get_secret_value() else new_secret(),
            }
        )
        note = settings.data_dir / NOTE
        note.touch(mode=0o600)
        note.write_text(json.dumps({"pid": os.getpid(), "environment": environment_of(running)}))
        try:
            yield running
        finally:
            note.unlink(missing_ok=True)


def _stripe_of(settings: Settings) -> dict[str, Any]:
    """Without a key of a Stripe account of ours, the platform is one of the emulator's."""
    if settings.stripe_platform_key.get_secret_value():
        return {}
    seed = kept_secret(settings).get_secret_value()
    key, secret = (sha256(f"{name} {seed}".encode()).hexdigest()[:40] for name in ("key", "webhooks"))
    return {
        "stripe_platform_url": settings.stripe_emulator_url,
        "stripe_platform_key": SecretStr(EMULATOR_KEY + key),
        "stripe_webhook_secret": SecretStr(f"whsec_{secret}"),
    }


def _slack_of(settings: Settings) -> dict[str, Any]:
    """Without a Slack app of ours, the app is the emulator's."""
    if settings.slack_client_id:
        return {}
    seed = kept_secret(settings).get_secret_value()
    secret, signing = (sha256(f"slack {name} {seed}".encode()).hexdigest() for name in ("client", "signing"))
    return {
        "slack_client_id": EMULATOR_CLIENT,
        "slack_client_secret": SecretStr(secret),
        "slack_signing_secret": SecretStr(signing),
        "slack_api_url": f"{settings.slack_emulator_url}/api/",
        "slack_authorize_url": f"{settings.slack_emulator_url}/oauth/v2/authorize",
    }


def running_settings(settings: Settings) -> Settings | None:
    """The settings of the installation that runs in the same data folder."""
    note = settings.data_dir / NOTE
    if not note.exists():
        return None
    noted: dict[str, Any] = json.loads(note.read_text())
    if not exists(noted["pid"]):
        return None
    values = {name.removeprefix("TUNELOOP_").lower(): value for name, value in noted["environment"].items()}
    return Settings.model_validate(values)


def new_secret() -> SecretStr:
    return SecretStr(token_urlsafe(24))


def kept_secret(settings: Settings) -> SecretStr:
    """The data folder's own key: it encrypts what the database beside it stores, and must outlive this process."""
    file = settings.data_dir / "secret.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(new_secret().get_secret_value())
    return SecretStr(file.read_text().strip())


def environment_of(settings: Settings) -> dict[str, str]:
    """Environment from which a child process reads the same settings."""
    plain = settings.model_copy(update={"data_dir": settings.data_dir.resolve(), "storage_url": settings.storage})
    return {
        f"TUNELOOP_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in plain.model_dump().items()
    }


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
