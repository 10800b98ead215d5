"""Commands and options that the documents name are the command line's."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup

from tests.support.commands import command_line

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "platform" / "docs").rglob("*.md")])
CLI: Any = command_line()
BY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def options_of(command: Any) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def every_option(command: Any) -> Iterator[str]:
    yield from options_of(command)
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            yield from every_option(each)


def lines(text: str) -> list[str]:
    """In backticks, and at the beginning of lines of a block, without what follows as a remark."""
    found = re.findall(r"`tuneloop ([^`]+)`", text)
    found += re.findall(r"^tuneloop ((?:[^\n]+\\\n)*[^\n]+)", text, re.MULTILINE)
    return [re.sub(r"\s+#.*", "", line).replace("\\\n", " ") for line in found]


def unknown(line: str) -> list[str]:
    command, words = CLI, line.split()
    while words and isinstance(command, TyperGroup) and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if isinstance(command, TyperGroup) and words and words[0][0] not in "-…":
        return words[:1]
    known = options_of(command) | options_of(CLI) | {"--help"}
    return [word for word in words if word.startswith("--") and word not in known]


@BY_DOCUMENT
def test_commands_exist_with_their_options(document: Path) -> None:
    said = lines(document.read_text("utf-8"))
    assert [(line, missing) for line in said if (missing := unknown(line))] == []


@BY_DOCUMENT
def test_options_named_alone_exist(document: Path) -> None:
    named = re.findall(r"`(--[a-z-]+)[^`]*`", document.read_text("utf-8"))
    assert set(named) - set(every_option(CLI)) == set()


def lines_in_code(text: str) -> list[str]:
    """What pages and messages tell people to type, in quotes or a block of its own."""
    found = re.findall(r"(?<!\()[`'\u201c]tuneloop ([a-z][^`'\u201d\n]*)[`'\u201d]", text)
    found += re.findall(r"<(?:pre|b|code)[^>]*>tuneloop ([^<\n]+)", text)
    return found + re.findall(r"^tuneloop ([a-z][^\n]*)", text, re.MULTILINE)


def test_pages_and_messages_name_commands_that_exist() -> None:
    wrong, seen = [], 0
    for folder in ("platform", "bot", "billing", "reports", "workers"):
        for file in (*(ROOT / folder).rglob("*.html"), *(ROOT / folder).rglob("*.py")):
            for line in lines_in_code(file.read_text("utf-8")):
                seen += 1
                wrong += [(file.name, line, missing) for missing in unknown(line)]
    assert wrong == []
    assert seen > 50
