"""A base registered with an installation: its files in the object store, its facts in the database."""

import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from sqlmodel import Session

from tuneloop.kit.db import opened_database
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage, digest_file, pack_folder
from tuneloop.registry.context import keep_tokenizer
from tuneloop.registry.contract import CONTEXT_TOKENS
from tuneloop.registry.schemas import BaseRead
from tuneloop.registry.service import add_base as register_base
from tuneloop.registry.service import list_bases
from tuneloop.tables import BaseModel
from tuneloop_workers.bases.hub import Hub, HubFile, HubRepository, Progress
from tuneloop_workers.bases.pair import BakedBase
from tuneloop_workers.bases.sources import from_folder, from_hub, from_package

_HUB = re.compile(r"([\w.-]+/[\w.-]+?)(?:@([\w.-]+))?(?:/([\w./-]+\.gguf))?")


class Chosen(NamedTuple):
    """A repository of the hub, pinned to what it holds now, and one of its files."""

    repository: HubRepository
    file: HubFile

    @property
    def source(self) -> str:
        return f"hub:{self.repository.name}@{self.repository.commit}/{self.file.name}"


def look_up(settings: Settings, source: str) -> tuple[HubRepository, str | None]:
    """What `hub:OWNER/NAME`, with `@REVISION` and `/FILE.gguf` or without, names now; and the file, if it names one.

    Raises:
        InvalidInput: it is written otherwise. NotFound, NotAllowed, Unavailable: what the hub says.
    """
    parts = _HUB.fullmatch(source.removeprefix("hub:"))
    if parts is None:
        raise InvalidInput(f"{source!r} names nothing at the hub; write hub:OWNER/NAME", source=source)
    name, revision, file = parts.groups()
    return hub_of(settings).repository(name, revision or "main"), file


def choose(repository: HubRepository, file: str | None) -> Chosen:
    """Raises InvalidInput, naming the files, unless there is one or one is named."""
    if file is None and len(repository.files) == 1:
        return Chosen(repository, repository.files[0])
    return Chosen(repository, repository.file(file or ""))


def hub_of(settings: Settings) -> Hub:
    return Hub(settings.hub_url, settings.hub_token.get_secret_value())


def add_base(
    settings: Settings,
    *,
    name: str,
    source: str,
    licence: str | None,
    upstream_url: str | None,
    context_tokens: int = CONTEXT_TOKENS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Register a base model from `package:NAME`, `folder:PATH` or `hub:OWNER/NAME[@REVISION][/FILE.gguf]`.

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
        elif kind == "hub":
            chosen = choose(*look_up(settings, source))
            source, revision = chosen.source, chosen.repository.commit
            pair = from_hub(hub_of(settings), chosen.repository, chosen.file, folder / "base", progress)
            licence = licence or (pair.licence if pair.licence != "unknown" else chosen.repository.licence)
        else:
            raise InvalidInput(
                f"{source!r} is not a source; write package:NAME, folder:PATH or hub:OWNER/NAME",
                source=source,
            )
        base = _store(settings, pair, folder, name=name, source=source, revision=revision)
        base.context_length = min(pair.context_length, context_tokens)
        base.licence = licence or base.licence
        base.upstream_url = upstream_url
        with opened_database(settings.database_url) as database, database.all_agencies() as session:
            _keep_archive(session, base, pair.weights, folder / "weights.tar")
            registered = register_base(session, base)
            registered.chat = registered.chat or base.chat
            tokenizer = pair.weights / "tokenizer.json"
            if tokenizer.exists():
                keep_tokenizer(session, registered, tokenizer.read_text())
            return BaseRead.of(registered).model_dump(mode="json")


def _store(settings: Settings, pair: BakedBase, scratch: Path, *, name: str, source: str, revision: str) -> BaseModel:
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    gguf_sha256 = storage.put_file(pair.gguf, give=pair.gguf.is_relative_to(scratch))
    return BaseModel(
        name=name,
        source=source,
        revision=revision or gguf_sha256,
        licence=pair.licence,
        architecture=pair.architecture,
        quantisation=pair.quantisation,
        gguf_sha256=gguf_sha256,
        weights_sha256=storage.put_folder(pair.weights, give=pair.weights.is_relative_to(scratch)),
        context_length=pair.context_length,
        chat=pair.chat.model_dump(mode="json") if pair.chat else None,
    )


def _keep_archive(session: Session, base: BaseModel, weights: Path, archive: Path) -> None:
    """A base whose weights were stored as one archive keeps that digest, which its versions name."""
    known = next((each for each in list_bases(session) if each.name == base.name), None)
    if known is None or known.gguf_sha256 != base.gguf_sha256 or known.weights_sha256 == base.weights_sha256:
        return
    if known.weights_sha256 == digest_file(pack_folder(weights, archive)):
        base.weights_sha256 = known.weights_sha256
