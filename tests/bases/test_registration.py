"""A registered base lies in the object store once, and opens from there; one that was stored packed stays as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from transformers import AutoModelForCausalLM

from tests.support.tiny_models import TinyPair, build_tiny_pair
from tuneloop.kit.db import make_engine
from tuneloop.kit.errors import Conflict
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage, pack_folder
from tuneloop_local.engines import EngineUrls
from tuneloop_workers.artifacts import Artifacts
from tuneloop_workers.bases.registration import add_base

NAME = "registered-in-a-test"


@pytest.fixture
def source(tmp_path: Path) -> TinyPair:
    pair = build_tiny_pair(tmp_path / "source", "qwen3")
    pair.weights.rename(tmp_path / "original")
    return pair


@pytest.fixture
def settings(urls: EngineUrls, tmp_path: Path) -> Iterator[Settings]:
    yield Settings(data_dir=tmp_path / "data", database_url=urls.database)
    _execute(urls, "DELETE FROM base_model WHERE name = :name")


def _add(settings: Settings, source: Path) -> dict[str, str]:
    return add_base(settings, name=NAME, source=f"folder:{source}", licence=None, upstream_url=None)


def _execute(urls: EngineUrls, statement: str, **values: str) -> None:
    """As the owner of the schema: a registered base never changes otherwise."""
    engine = make_engine(urls.migration, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text(statement), {"name": NAME, **values})
    engine.dispose()


def _artifacts(settings: Settings) -> Artifacts:
    return Artifacts(Storage(settings.storage, cache=settings.data_dir / "cache"), settings.data_dir / "unpacked")


def test_weights_lie_on_the_disk_once(source: TinyPair, settings: Settings) -> None:
    base = _add(settings, source.gguf.parent)
    folder = _artifacts(settings).folder(base["weights_sha256"])

    AutoModelForCausalLM.from_pretrained(folder)
    (weights,) = folder.glob("*.safetensors")
    content = weights.read_bytes()
    copies = {
        path.stat().st_ino for path in settings.data_dir.rglob("*") if path.is_file() and path.read_bytes() == content
    }
    assert copies == {weights.stat().st_ino}


def test_registering_the_same_base_again_is_no_second_base(source: TinyPair, settings: Settings) -> None:
    assert _add(settings, source.gguf.parent) == _add(settings, source.gguf.parent)


def test_the_files_of_a_folder_stay_with_their_owner(source: TinyPair, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "original").rename(source.gguf.parent / "weights")
    base = _add(settings, source.gguf.parent)
    with source.gguf.open("r+b") as file:
        file.write(b"changed")
    assert _artifacts(settings).path(base["gguf_sha256"]).read_bytes()[:4] == b"GGUF"


def test_weights_that_were_stored_as_one_archive_still_open(
    source: TinyPair, settings: Settings, urls: EngineUrls, tmp_path: Path
) -> None:
    base = _add(settings, source.gguf.parent)
    files = _artifacts(settings).folder(base["weights_sha256"])
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    archive = storage.put_file(pack_folder(files, tmp_path / "weights.tar"))
    _execute(urls, "UPDATE base_model SET weights_sha256 = :digest WHERE name = :name", digest=archive)

    assert _add(settings, source.gguf.parent)["weights_sha256"] == archive
    opened = _artifacts(settings).folder(archive)
    assert {path.name: path.read_bytes() for path in opened.iterdir()} == {
        path.name: path.read_bytes() for path in files.iterdir()
    }


def test_other_weights_under_a_known_name_are_refused(source: TinyPair, settings: Settings, tmp_path: Path) -> None:
    _add(settings, source.gguf.parent)
    other = build_tiny_pair(tmp_path / "other", "qwen3", seed=1)
    other.weights.rename(tmp_path / "elsewhere")
    with pytest.raises(Conflict, match="other files"):
        _add(settings, other.gguf.parent)
