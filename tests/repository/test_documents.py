"""What the documents name is there: links, paths, modules, tests, make targets."""

import re
import tomllib
from pathlib import Path

import pytest

from tuneloop.kit.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "platform" / "docs").rglob("*.md")])
SOURCES = ("platform", "bot", "workers", "billing", "reports", "tests", "migrations", ".ci")
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for source in SOURCES
    for path in (ROOT / source).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
}
PACKAGES = {path.name: path for source in SOURCES for path in (ROOT / source).iterdir() if path.is_dir()}
NAMES = {
    name
    for path in FILES.values()
    if path.suffix == ".py"
    for name in re.findall(r"\b[A-Z]\w+\b", path.read_text("utf-8"))
}
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
BY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def quoted(document: Path) -> list[str]:
    """What stands in backticks, outside of fenced blocks."""
    return re.findall(r"`([^`\s]+)`", FENCED.sub("", document.read_text("utf-8")))


def is_module(name: str) -> bool:
    """Whether a dotted name is a module, or something that the module's file names."""
    package, *parts = name.split(".")
    place = PACKAGES[package]
    for position, part in enumerate(parts):
        if (place / part).is_dir():
            place = place / part
            continue
        file, rest = (place / f"{part}.py"), parts[position + 1 :]
        if not file.exists():
            file, rest = place / "__init__.py", parts[position:]
        text = file.read_text("utf-8")
        return all(re.search(rf"\b{word}\b", text) for word in rest)
    return True


def is_test(file: str, name: str) -> bool:
    return file in FILES and f"def {name}(" in FILES[file].read_text("utf-8")


@BY_DOCUMENT
def test_relative_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", FENCED.sub("", document.read_text("utf-8")))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


@BY_DOCUMENT
def test_paths_exist(document: Path) -> None:
    paths = [name for name in quoted(document) if "::" not in name and name.split("/")[0] in SOURCES and "/" in name]
    assert [name for name in paths if not any(ROOT.glob(name.rstrip("/")))] == []


@BY_DOCUMENT
def test_source_files_exist(document: Path) -> None:
    """A file may be named by the end of its path."""
    names = [name for name in quoted(document) if re.fullmatch(r"[\w./-]+\.(py|html|toml)", name)]
    known = [f"/{path}" for path in [*FILES, "pyproject.toml"]]
    assert [name for name in names if not any(path.endswith(f"/{name}") for path in known)] == []


@BY_DOCUMENT
def test_modules_exist(document: Path) -> None:
    names = [name for name in quoted(document) if re.fullmatch(r"tuneloop\w*(\.\w+)+", name)]
    assert [name for name in names if not is_module(name)] == []


@BY_DOCUMENT
def test_classes_and_constants_exist(document: Path) -> None:
    names = [name for name in quoted(document) if re.fullmatch(r"([A-Z][a-z]+){2,}|[A-Z]+_[A-Z_]+", name)]
    assert [name for name in names if not (name in NAMES or name.startswith("TUNELOOP_"))] == []


@BY_DOCUMENT
def test_tests_exist(document: Path) -> None:
    names = [name for name in quoted(document) if "::" in name]
    assert [name for name in names if not is_test(*name.split("::"))] == []


@BY_DOCUMENT
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = re.findall(r"`make ([a-z-]+)", document.read_text("utf-8"))
    named += re.findall(r"^make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE)
    assert set(named) - targets == set()


def test_the_map_shows_the_layers_that_hold() -> None:
    text = (ROOT / "platform" / "docs" / "architecture.md").read_text("utf-8")
    (section,) = re.findall(r"^## Layers$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    shown = [re.findall(r"`([^`]+)`", row) for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)]
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    assert shown == [layer.split(" | ") for layer in contract["layers"]]


def test_the_modules_of_each_statistical_question_exist() -> None:
    text = (ROOT / "platform" / "docs" / "statistics.md").read_text("utf-8")
    (table,) = re.findall(r"^\| question \| method \| module \|$(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    names = re.findall(r"`([^`|]+)`", "".join(re.findall(r"\| ([^|]+) \|$", table, re.MULTILINE)))
    assert "control_charts" in names
    assert [name for name in names if not is_module(f"tuneloop.stats.{name}")] == []


def test_every_setting_is_documented() -> None:
    text = "".join(document.read_text("utf-8") for document in DOCUMENTS)
    assert [name for name in Settings.model_fields if f"TUNELOOP_{name.upper()}" not in text] == []


def test_no_source_cites_a_document_outside_the_repository() -> None:
    cited = re.compile(r"\b(METHOD|ARCHITECTURE|HOUSE|HOUSE_STYLE)(\.md)?\b(?!\s*[=:,(\[\]])|\b[Ii]nvariant \d")
    sources = [path for name, path in FILES.items() if name.endswith(".py") and path != Path(__file__)]
    found = [(path.name, match.group()) for path in sources for match in cited.finditer(path.read_text("utf-8"))]
    assert found == []
