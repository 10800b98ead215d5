"""Models, versions and their files."""

from pathlib import Path

import pytest

from tests.cli.rows import add_version
from tests.cli.shell import Shell
from tests.support.world import World
from tuneloop.cli.failure import ExitCode
from tuneloop.kit.db import Database
from tuneloop.kit.storage import Storage


def test_a_model_is_added_from_files(shell: Shell, world: World, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("order\nrefund\n\n")
    (tmp_path / "prompt").write_text("Sort é.")
    made = shell.json(
        "model", "add", "acme/triage", "--base", "tiny", "--task", "classify", "--labels-file", tmp_path / "labels",
        "--system-prompt-file", tmp_path / "prompt", "--max-tokens", 9, "--policy", "overall_margin=0.02",
    )  # fmt: skip
    assert made["contract"]["labels"] == ["order", "refund"]
    assert made["contract"]["system_prompt"] == "Sort é."
    assert made["contract"]["decoding"]["max_tokens"] == 9
    assert made["policy"]["overall_margin"] == 0.02


def test_a_change_keeps_everything_else(shell: Shell, world: World, tmp_path: Path) -> None:
    before = shell.json("model", "show", "acme/support")
    (tmp_path / "facts").write_text("Opens at 9.")
    after = shell.json(
        "model", "change", "acme/support", "--add-label", "exchange", "--facts-file", tmp_path / "facts",
        "--policy", "category_margin=0.2",
    )  # fmt: skip
    wanted = {"labels": [*before["contract"]["labels"], "exchange"], "facts": "Opens at 9."}
    assert after["contract"] == before["contract"] | wanted
    assert after["policy"] == before["policy"] | {"category_margin": 0.2}


def test_changing_nothing_is_a_wrong_command_line(shell: Shell, world: World) -> None:
    assert shell.run("model", "change", "acme/support").exit_code == ExitCode.USAGE


def test_a_version_shows_its_lineage_and_files(
    shell: Shell, world: World, database: Database, storage: Storage
) -> None:
    add_version(database, storage, world, {"adapter.gguf": b"GGUF" * 1000})
    shown = shell.run("version", "show", "acme/support@candidate").stdout
    assert "acme/support@v1.1" in shown
    assert "acme/support@v1.0" in shown
    assert "adapter.gguf" in shown
    assert "4.0 kB" in shown


def test_download_writes_the_files_of_a_version(
    shell: Shell, world: World, database: Database, storage: Storage, tmp_path: Path
) -> None:
    files = {"adapter.gguf": b"GGUF", "peft/adapter_config.json": b"{}"}
    add_version(database, storage, world, files)
    result = shell.run("version", "download", "acme/support@v1.1", "--to", tmp_path / "files")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"2 files in {tmp_path / 'files'}\n"
    assert {name: (tmp_path / "files" / name).read_bytes() for name in files} == files


def test_a_file_name_cannot_lead_out_of_the_folder(
    shell: Shell, world: World, database: Database, storage: Storage, tmp_path: Path
) -> None:
    add_version(database, storage, world, {"../evil": b"x"})
    result = shell.run("version", "download", "acme/support@v1.1", "--to", tmp_path / "files")
    assert result.exit_code == ExitCode.USAGE
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["acme/support", "acme"])
def test_a_version_needs_its_full_name(shell: Shell, world: World, name: str) -> None:
    assert shell.run("version", "show", name).exit_code == ExitCode.USAGE
