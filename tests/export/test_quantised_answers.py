"""Each merged file of a version answers the golden set by itself, without the adapter that it holds already."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.export.conftest import Tuned
from tests.support.tiny_models import ArchitectureName
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.storage import Storage, digest_file
from tuneloop.registry.contract import AdapterPart, BaseRef, Contract, Manifest, Quantisation, Task
from tuneloop.tables import AdapterVersion, Example, Pool, Source
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.merge import ScaledUpdate, merge
from tuneloop_workers.export.quantise import quantise
from tuneloop_workers.handlers.quantisation import answer_quantised
from tuneloop_workers.llama import identity

CONTRACT = Contract(task=Task.CLASSIFY, system_prompt="Sort.", labels=("delivery", "refund", "account"))


def example(text: str) -> Example:
    return Example(
        client_id=new_id(),
        model_id=new_id(),
        pool=Pool.GOLDEN,
        messages=[{"role": "user", "content": text}],
        expected="refund",
        category="refund",
        source=Source.IMPORT,
        content_hash=text,
        minhash=b"",
    )


def context(storage: Storage) -> JobContext:
    """What answering needs of a job's context."""
    told: list[dict[str, Any]] = []
    settings = SimpleNamespace(cpu_threads=1)
    return cast(
        JobContext,
        SimpleNamespace(
            storage=storage, settings=settings, report=lambda **what: told.append(what), check=lambda: None
        ),
    )


def version_of(files: list[dict[str, Any]]) -> AdapterVersion:
    return cast(AdapterVersion, SimpleNamespace(files=files))


@pytest.fixture
def manifest() -> Manifest:
    base = BaseRef(architecture="llama", quantisation="F16", gguf_sha256="a" * 64, weights_sha256="b" * 64)
    return Manifest(contract=CONTRACT, base=base, adapters=(AdapterPart(sha256="c" * 64),), engine=identity())


def test_every_merged_file_answers_for_itself(
    tuned: Callable[[ArchitectureName], Tuned], storage: Storage, manifest: Manifest, tmp_path: Path
) -> None:
    base, adapter, _ = tuned("llama")
    made = {kind: tmp_path / f"model-{kind}.gguf" for kind in (Quantisation.F16, Quantisation.Q8_0)}
    update = ScaledUpdate(export_lora(adapter, base.gguf, tmp_path / "adapter.gguf"))
    merge(base.gguf, [update], made[Quantisation.F16])
    quantise(made[Quantisation.F16], made[Quantisation.Q8_0], Quantisation.Q8_0, threads=1)
    files: list[dict[str, Any]] = [
        {"name": path.name, "size": path.stat().st_size, "sha256": storage.put_file(path)} for path in made.values()
    ]
    golden = [example("my parcel has not come"), example("I would like my money back")]

    found = answer_quantised(context(storage), version_of(files), manifest, golden, CONTRACT, context_tokens=256)

    assert list(found) == [Quantisation.F16, Quantisation.Q8_0]
    assert found[Quantisation.Q8_0].size < found[Quantisation.F16].size
    for answered in found.values():
        assert len(answered.texts) == 2
        assert set(answered.texts) <= set(CONTRACT.labels)
        assert list(answered.correct) == [text == "refund" for text in answered.texts]
    assert digest_file(made[Quantisation.F16]) == files[0]["sha256"]


def test_a_version_without_merged_files_has_nothing_to_weigh(storage: Storage, manifest: Manifest) -> None:
    files = [{"name": "adapter.gguf", "size": 1, "sha256": "d" * 64}]
    assert (
        answer_quantised(context(storage), version_of(files), manifest, [example("x")], CONTRACT, context_tokens=256)
        == {}
    )
