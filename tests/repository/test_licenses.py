"""What is said about licences is complete."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
THIRD_PARTY = (ROOT / "THIRD_PARTY_LICENSES.md").read_text("utf-8")


def test_every_locked_package_is_listed_after_make_licenses() -> None:
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    table = THIRD_PARTY.split("<!-- packages -->")[1].split("<!-- end -->")[0]
    listed = re.findall(r"^\| ([\w.-]+) \| \S", table, re.MULTILINE)[1:]
    assert set(listed) == {*locked, "torch", "llama-cpp-python"}


def test_every_licence_text_beside_contained_files_is_named() -> None:
    texts = [path for folder in ("platform", "reports") for path in (ROOT / folder).rglob("*LICENSE.txt")]
    assert [path.name for path in texts if f"`{path.name}`" not in THIRD_PARTY] == []


def test_the_package_has_the_licence_of_the_repository() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "LicenseRef-Proprietary"
    assert [name for name in project["license-files"] if not (ROOT / name).exists()] == []
    assert "This software is proprietary." in (ROOT / "LICENSE").read_text("utf-8")
