"""Each case that the page of failures lists is held by tests that name it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_case_has_its_tests_and_every_test_a_case() -> None:
    page = (ROOT / "platform" / "docs" / "failures.md").read_text()
    listed = {int(number) for number in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    named = {
        int(number)
        for file in (ROOT / "tests").rglob("test_*.py")
        for number in re.findall(r"failure_case\((\d+)\)", file.read_text())
    }
    assert listed == set(range(1, 27))
    assert named == listed
