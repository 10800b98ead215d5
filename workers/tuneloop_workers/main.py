"""Processes of the worker package: worker, scheduler, serving host, base registration."""

import re
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dramatiq
import structlog

import tuneloop_workers.actors  # noqa: F401  (registers the handlers)
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.jobs.job import Queue
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage, pack_folder
from tuneloop.registry.contract import CONTEXT_TOKENS
from tuneloop.registry.schemas import BaseRead
from tuneloop.registry.service import add_base as register_base
from tuneloop.registry.service import list_bases
from tuneloop.tables import BaseModel
from tuneloop_workers.artifacts import Artifacts
from tuneloop_workers.bases.pair import BakedBase
from tuneloop_workers.bases.sources import PinnedRepository, from_folder, from_hub, from_package
from tuneloop_workers.broker import make_broker
from tuneloop_workers.runtime import Runtime, install
from tuneloop_workers.serving.host import HostSettings, serve
from tuneloop_workers.signals import stop_on_signals

log = structlog.get_logger(__name__)

SHUTDOWN_MS = 60_000
BASE_PAUSE_SECONDS = 1.0
_HUB = re.compile(r"([\w.-]+/[\w.-]+)@([^/]+)/([\w./-]+\.gguf)")


def run_worker(settings: Settings, queues: Sequence[Queue]) -> None:
    """One job at a time on these queues, until SIGTERM; a running job is handed back with its checkpoint."""
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    runtime = Runtime(Database(make_engine(settings.database_url)), storage, settings)
    install(runtime)
    worker = dramatiq.Worker(
        make_broker(settings.broker_url), queues={str(queue) for queue in queues}, worker_threads=1, worker_timeout=100
    )
    stop = stop_on_signals(runtime.stopping.set)
    worker.start()
    log.info("worker_ready", queues=[str(queue) for queue in queues])
    stop.wait()
    worker.stop(timeout=SHUTDOWN_MS)


def add_base(
    settings: Settings,
    *,
    name: str,
    source: str,
    licence: str | None,
    upstream_url: str | None,
    context_tokens: int = CONTEXT_TOKENS,
) -> dict[str, Any]:
    """Register a base model from `package:NAME`, `folder:PATH` or `hub:OWNER/REPO@REVISION/FILE.gguf`.

    It trains, is evaluated and serves with `context_tokens` of context, or as many as it was made for if that is less.

    Raises:
        InvalidInput: the source has another form.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix="base-") as scratch:
        folder = Path(scratch)
        kind, _, rest = source.partition(":")
        revision = ""
        if kind == "package" and rest:
            pair = from_package(rest, folder / "base")
        elif kind == "folder" and rest:
            pair = from_folder(Path(rest), folder / "base")
        elif kind == "hub" and (parts := _HUB.fullmatch(rest)):
            repository, revision, file = parts.groups()
            pair = from_hub(PinnedRepository(repository, revision), file, folder / "base")
        else:
            raise InvalidInput(
                f"{source!r} is no source; write package:NAME, folder:PATH or hub:OWNER/REPO@REVISION/FILE.gguf",
                source=source,
            )
        base = _store(settings, pair, folder, name=name, source=source, revision=revision)
    base.context_length = min(pair.context_length, context_tokens)
    if licence:
        base.licence = licence
    base.upstream_url = upstream_url
    with Database(make_engine(settings.database_url)).all_agencies() as session:
        return BaseRead.model_validate(register_base(session, base)).model_dump(mode="json")


def _store(settings: Settings, pair: BakedBase, folder: Path, *, name: str, source: str, revision: str) -> BaseModel:
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    return BaseModel(
        name=name,
        source=source,
        revision=revision or pair.gguf_sha256,
        licence=pair.licence,
        architecture=pair.architecture,
        quantisation=pair.quantisation,
        gguf_sha256=storage.put_file(pair.gguf),
        weights_sha256=storage.put_file(pack_folder(pair.weights, folder / "weights.tar")),
        context_length=pair.context_length,
    )


def run_serve(settings: Settings, *, base: str | None = None) -> None:
    """The serving host of one local base: the named one, or the first that is registered. Waits for it to be."""
    stop = stop_on_signals()
    served = _served_base(settings, base, stop)
    if served is None:
        return
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    host = HostSettings(
        address=settings.serve_host,
        port=settings.serve_port,
        token=settings.serve_token.get_secret_value(),
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
