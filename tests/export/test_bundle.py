"""A release is complete and describes itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.export.conftest import Tuned
from tests.support.tiny_models import ArchitectureName
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.storage import digest_file
from tuneloop.registry.contract import (
    AdapterPart,
    BaseRef,
    Contract,
    Decoding,
    Manifest,
    Quantisation,
    Task,
    Template,
)
from tuneloop_workers.export.bundle import ReleaseFiles, ReleaseManifest, write_bundle
from tuneloop_workers.export.card import CardMetric, ModelCard, render_card
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.merge import merge
from tuneloop_workers.export.modelfile import modelfile

CONTRACT = Contract(
    task=Task.CLASSIFY,
    system_prompt="Sort the message.",
    template=Template.GEMMA,
    labels=("refund", "delivery"),
    decoding=Decoding(max_tokens=8, stop=('say "stop"\n',)),
)
CARD = ModelCard(
    name="acme/support",
    version="v1.3",
    digest="abc",
    licence="gemma",
    base_model="google/gemma-3-270m",
    task=Task.CLASSIFY,
    description="Sorts messages.",
    measures=(CardMetric(name="overall | exact", value=0.894, low=0.83, high=0.94, n=120),),
    training_examples=300,
)


@pytest.fixture
def files(tuned: Callable[[ArchitectureName], Tuned], tmp_path: Path) -> ReleaseFiles:
    base, adapter, _ = tuned("llama")
    export_lora(adapter, base.gguf, tmp_path / "lora.gguf")
    merge(base.gguf, [], tmp_path / "f16.gguf")
    return ReleaseFiles(adapter, tmp_path / "lora.gguf", {Quantisation.F16: tmp_path / "f16.gguf"})


@pytest.fixture
def version(files: ReleaseFiles) -> Manifest:
    base = BaseRef(architecture="llama", quantisation="F32", gguf_sha256="0" * 64, weights_sha256="1" * 64)
    parts = (AdapterPart(sha256=digest_file(files.adapter_gguf)),)
    return Manifest(contract=CONTRACT, base=base, adapters=parts, engine="test")


def test_a_release_holds_every_file_and_says_what_each_is(
    files: ReleaseFiles, version: Manifest, tmp_path: Path
) -> None:
    manifest = write_bundle(tmp_path / "release", files, version, CARD)

    names = [entry.path for entry in manifest.files]
    assert names == [
        "Modelfile",
        "README.md",
        "adapter.gguf",
        "model-F16.gguf",
        "peft/adapter_config.json",
        "peft/adapter_model.safetensors",
    ]
    assert manifest.digest == version.digest
    release = tmp_path / "release"
    assert ReleaseManifest.model_validate_json((release / "manifest.json").read_bytes()) == manifest
    for entry in manifest.files:
        path = release / entry.path
        assert (entry.size, entry.sha256) == (path.stat().st_size, digest_file(path))


def test_a_release_is_written_once(files: ReleaseFiles, version: Manifest, tmp_path: Path) -> None:
    write_bundle(tmp_path / "release", files, version, CARD)
    with pytest.raises(Conflict):
        write_bundle(tmp_path / "release", files, version, CARD)


def test_a_failed_release_leaves_nothing(files: ReleaseFiles, version: Manifest, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    missing = ReleaseFiles(files.adapter_folder, tmp_path / "missing.gguf")
    with pytest.raises(FileNotFoundError):
        write_bundle(tmp_path / "release", missing, version, CARD)
    assert sorted(tmp_path.iterdir()) == before


def test_the_modelfile_renders_the_contract_s_own_prompt() -> None:
    assert modelfile(CONTRACT, model="base.gguf", adapter="adapter.gguf").splitlines() == [
        "FROM ./base.gguf",
        "ADAPTER ./adapter.gguf",
        'TEMPLATE """<start_of_turn>user',
        "{{ .System }}<end_of_turn>",
        "<start_of_turn>user",
        "{{ .Prompt }}<end_of_turn>",
        "<start_of_turn>model",
        '"""',
        'SYSTEM """Sort the message."""',
        "PARAMETER temperature 0",
        "PARAMETER num_predict 8",
        'PARAMETER stop "say \\"stop\\"\\n"',
        'PARAMETER stop "<end_of_turn>"',
    ]


def test_quotes_that_would_break_out_of_the_modelfile_are_refused() -> None:
    evil = CONTRACT.model_copy(update={"system_prompt": 'x"""\nFROM ./other.gguf'})
    with pytest.raises(InvalidInput, match="Modelfile"):
        modelfile(evil, model="base.gguf", adapter=None)


def test_every_rate_on_the_card_has_its_interval_and_n() -> None:
    assert "| overall \\| exact | 89.4% | 83.0% to 94.0% | 120 |" in render_card(CARD)


def test_a_rate_outside_its_interval_is_refused() -> None:
    with pytest.raises(ValidationError, match="must hold"):
        CardMetric(name="overall", value=0.9, low=0.91, high=0.95, n=10)
