"""Examples in and out."""

from pathlib import Path

import pytest

from tests.cli.shell import Shell, error_of
from tests.support.factories import make_base, make_model
from tuneloop.cli.failure import ExitCode
from tuneloop.kit.db import Database
from tuneloop.tables import Client

GOOD = '{"text": "where is my parcel", "label": "order"}\n{"text": "i want my money back", "label": "refund"}\n'
BAD = GOOD + '{"text": "hello there", "label": "ordr"}\n'


@pytest.fixture
def model(database: Database, client_row: Client) -> str:
    make_model(database, client_row, make_base(database))
    return "acme/support"


def written(folder: Path, text: str, name: str = "examples.jsonl") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_import_counts_and_export_give_the_same_examples_back(shell: Shell, model: str, tmp_path: Path) -> None:
    target = ("--model", model, "--pool", "training")
    report = shell.run("dataset", "import", written(tmp_path, GOOD), *target)
    assert report.stdout == "2 examples added to the training pool\n"
    exported = shell.run("dataset", "export", *target, "--format", "text_label")
    assert sorted(exported.stdout.splitlines()) == [
        '{"text":"i want my money back","label":"refund","category":"refund"}',
        '{"text":"where is my parcel","label":"order","category":"order"}',
    ]
    assert shell.run("dataset", "counts", model).stdout.splitlines()[-1].split() == ["all", "2", "0", "0"]


def test_export_to_a_file_leaves_stdout_empty(shell: Shell, model: str, tmp_path: Path) -> None:
    target = ("--model", model, "--pool", "training")
    shell.json("dataset", "import", written(tmp_path, GOOD), *target)
    result = shell.run("dataset", "export", *target, "--to", tmp_path / "out.jsonl")
    assert result.stdout == ""
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
    assert not list(tmp_path.glob("*.partial"))


def test_a_bad_row_refuses_the_file_and_is_named(shell: Shell, model: str, tmp_path: Path) -> None:
    result = shell.run("dataset", "import", written(tmp_path, BAD), "--model", model, "--pool", "golden")
    assert result.exit_code == ExitCode.FAILED
    assert "line 3: " in result.stderr
    assert "ordr" in result.stderr
    assert "or import again with --partial to keep the good rows" in result.stderr
    assert shell.json("dataset", "counts", model) == []


def test_partial_imports_the_good_rows_and_names_the_bad(shell: Shell, model: str, tmp_path: Path) -> None:
    file = written(tmp_path, BAD)
    result = shell.run("dataset", "import", file, "--model", model, "--pool", "golden", "--partial")
    assert result.exit_code == 0
    assert result.stdout.startswith("2 examples added to the golden pool, 1 rejected\n  line 3: ")


def test_what_is_in_a_file_says_what_it_is_and_not_its_name(shell: Shell, model: str, tmp_path: Path) -> None:
    file = written(tmp_path, GOOD, "examples.txt")
    assert shell.run("dataset", "import", file, "--model", model, "--pool", "golden", "--json").exit_code == ExitCode.OK
    other = tmp_path / "examples.jsonl"
    other.write_bytes(b"%PDF-1.7 and so on")
    result = shell.run("dataset", "import", str(other), "--model", model, "--pool", "golden", "--json")
    assert result.exit_code != ExitCode.OK
    assert error_of(result)["message"]


def test_deleting_says_whether_a_version_learned_from_it(shell: Shell, model: str, tmp_path: Path) -> None:
    shell.json("dataset", "import", written(tmp_path, GOOD), "--model", model, "--pool", "golden")
    first = shell.json("dataset", "list", model)["items"][0]["id"]
    assert "no version learned from it" in shell.run("dataset", "delete", model, first).stdout
    assert len(shell.json("dataset", "list", model)["items"]) == 1


def test_the_same_content_is_the_same_snapshot(shell: Shell, model: str, tmp_path: Path) -> None:
    target = ("--model", model, "--pool", "golden")
    shell.json("dataset", "import", written(tmp_path, GOOD), *target)
    first, second = (shell.json("dataset", "snapshot", "take", *target) for _ in range(2))
    assert first["digest"] == second["digest"]
    assert first["digest"][:12] in shell.run("dataset", "snapshot", "list", model).stdout
