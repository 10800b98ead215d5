"""A kind of alert is known wherever kinds are told apart."""

import re
import tomllib
from pathlib import Path

import pytest

from tuneloop.monitoring.alert_kinds import ALERT_KINDS
from tuneloop.tables import AlertKind

ROOT = Path(__file__).parents[2]
LANGUAGES = sorted((ROOT / "reports" / "tuneloop_reports" / "languages").glob("*.toml"))


def test_every_kind_has_its_rules() -> None:
    assert set(ALERT_KINDS) == set(AlertKind)


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda path: str(path.stem))
def test_every_kind_has_a_name_in_reports(language: Path) -> None:
    assert set(tomllib.loads(language.read_text("utf-8"))["kind"]) == set(AlertKind)


def test_every_kind_is_looked_for_in_a_test_of_monitoring() -> None:
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "monitoring").glob("test_*.py"))
    assert set(re.findall(r"\bAlertKind\.(\w+)", tests)) == {kind.name for kind in AlertKind}


def test_the_documentation_names_every_kind() -> None:
    text = (ROOT / "platform" / "docs" / "loop.md").read_text("utf-8")
    (named,) = re.findall(r"One is open per model and kind \(([^)]*)\)", text)
    assert set(named.split(", ")) == set(AlertKind)
