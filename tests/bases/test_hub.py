"""A base from the hub: pinned to a commit, its files to choose from, proven by their digests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import COMMIT, StandIn, hub_stand_in
from tests.support.tiny_models import build_tiny_pair
from tuneloop.cli.failure import Failure
from tuneloop.cli.hub import chosen_at_hub
from tuneloop.cli.output import Output
from tuneloop.kit.errors import CorruptArtifact, InvalidInput, NotAllowed, NotFound, Unavailable
from tuneloop.kit.settings import Settings
from tuneloop.registry.catalogue import CATALOGUE
from tuneloop_workers.bases.hub import Hub
from tuneloop_workers.bases.registration import choose, look_up
from tuneloop_workers.bases.sources import from_hub

FILES = {
    "README.md": b"# A model",
    "model-Q8_0.gguf": b"8" * 800,
    "model-Q4_K_M.gguf": b"4" * 400,
    "mmproj-model-f16.gguf": b"eyes",
    "model-F16-00001-of-00002.gguf": b"one of two",
}


@pytest.fixture(scope="module")
def hub() -> Iterator[StandIn]:
    with hub_stand_in() as made:
        made.repositories["acme/model-GGUF"] = dict(FILES)
        yield made


@pytest.fixture
def settings(hub: StandIn, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, hub_url=hub.url)


def test_a_repository_is_pinned_and_its_whole_models_are_listed_with_what_they_need(settings: Settings) -> None:
    repository, file = look_up(settings, "hub:acme/model-GGUF")
    assert (repository.commit, repository.licence, file) == (COMMIT, "apache-2.0", None)
    assert [(each.name, each.quantisation) for each in repository.files] == [
        ("model-Q4_K_M.gguf", "Q4_K_M"),
        ("model-Q8_0.gguf", "Q8_0"),
    ]
    needs = repository.needs(repository.files[0])
    assert (needs.disk, needs.training > needs.serving > 400) == (400 + 400_000, True)


def test_a_file_is_chosen_by_quantisation_or_name_and_nothing_is_guessed(settings: Settings) -> None:
    repository, _ = look_up(settings, "hub:acme/model-GGUF@main")
    source = f"hub:acme/model-GGUF@{COMMIT}/model-Q4_K_M.gguf"
    assert choose(repository, "q4_k_m").source == choose(repository, "model-Q4_K_M.gguf").source == source
    assert choose(*look_up(settings, source)).source == source
    with pytest.raises(InvalidInput, match=r"it has: model-Q4_K_M\.gguf, model-Q8_0\.gguf"):
        choose(repository, None)
    with pytest.raises(InvalidInput, match="write hub:OWNER/NAME"):
        look_up(settings, "hub:nothing")


def test_the_command_lists_the_files_or_says_what_the_chosen_one_needs(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Failure, match=r"apache-2\.0.* has 2 GGUF files; choose one with --file"):
        chosen_at_hub(settings, Output(json=False), "hub:acme/model-GGUF", file=None)
    assert "model-Q8_0.gguf" in capsys.readouterr().out
    chosen = chosen_at_hub(settings, Output(json=False), "hub:acme/model-GGUF", file="Q8_0")
    assert (chosen.called, chosen.source.rpartition("/")[2]) == ("model", "model-Q8_0.gguf")
    said = " ".join(capsys.readouterr().out.split())
    assert "at commit 0123456789ab, licence apache-2.0: 800 B to download" in said


def test_what_the_hub_refuses_is_told_with_what_to_do(hub: StandIn, settings: Settings) -> None:
    with pytest.raises(NotFound, match="no repository of the hub acme/none"):
        look_up(settings, "hub:acme/none")
    hub.repositories["acme/gated"], hub.gated = dict(FILES), {"acme/gated"}
    with pytest.raises(NotAllowed, match="TUNELOOP_HUB_TOKEN"):
        look_up(settings, "hub:acme/gated")
    assert Hub(hub.url, "hf_good").repository("acme/gated").commit == COMMIT
    with pytest.raises(Unavailable, match="check the network"):
        Hub("http://127.0.0.1:9").repository("acme/model-GGUF")


def test_a_base_is_downloaded_at_its_commit_proven_and_baked(hub: StandIn, tmp_path: Path) -> None:
    pair = build_tiny_pair(tmp_path / "pair", "qwen3")
    hub.repositories["acme/tiny"] = {"tiny-F32.gguf": pair.gguf.read_bytes()}
    repository = Hub(hub.url).repository("acme/tiny")
    come: list[tuple[int, int]] = []
    file = repository.files[0]
    base = from_hub(Hub(hub.url), repository, file, tmp_path / "base", lambda done, of: come.append((done, of)))
    assert (base.architecture, base.gguf.read_bytes()) == ("qwen3", pair.gguf.read_bytes())
    assert come[-1] == (file.size, file.size)
    assert f"/acme/tiny/resolve/{COMMIT}/tiny-F32.gguf" in hub.asked
    hub.spoil = True
    with pytest.raises(CorruptArtifact, match="did not come as the hub announced"):
        from_hub(Hub(hub.url), repository, file, tmp_path / "other", None)
    assert not list((tmp_path / "other").rglob("*.gguf"))
    hub.spoil = False


def test_the_catalogue_has_ten_bases_with_what_each_needs() -> None:
    assert len({each.name for each in CATALOGUE}) == 10
    assert all(each.gguf_bytes < each.needs.serving < each.needs.training for each in CATALOGUE)
