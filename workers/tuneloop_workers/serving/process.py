"""The serving host's process."""

import threading

import structlog

from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.settings import Settings
from tuneloop.kit.signals import stop_on_signals
from tuneloop.kit.storage import Storage
from tuneloop.registry.service import list_bases
from tuneloop.tables import BaseModel
from tuneloop_workers.artifacts import Artifacts
from tuneloop_workers.serving.host import HostSettings, serve

log = structlog.get_logger(__name__)

BASE_PAUSE_SECONDS = 1.0


def run_serve(settings: Settings, *, base: str | None = None) -> None:
    """The serving host of one local base: the named one, or the first that is registered. Waits for it to be."""
    token = settings.serve_token.get_secret_value()
    if not token:
        raise InvalidInput("set TUNELOOP_SERVE_TOKEN, alike for whoever asks: without it anybody could use the models")
    stop = stop_on_signals()
    served = _served_base(settings, base, stop)
    if served is None:
        return
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    host = HostSettings(
        address=settings.serve_host,
        port=settings.serve_port,
        token=token,
        threads=settings.cpu_threads,
        context_tokens=served.context_length,
    )
    serve(host, Artifacts(storage, settings.unpacked), served.gguf_sha256)


def _served_base(settings: Settings, name: str | None, stop: threading.Event) -> BaseModel | None:
    database = Database(make_engine(settings.database_url, pool_size=1))
    while not stop.is_set():
        with database.all_agencies() as session:
            local = [each for each in list_bases(session) if each.upstream_url is None and name in (None, each.name)]
        if local:
            return min(local, key=lambda each: each.created_at)
        log.info("waiting_for_a_base", name=name)
        stop.wait(BASE_PAUSE_SECONDS)
    return None
