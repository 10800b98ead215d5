"""An exception is handed to the log as it is: the log knows what may be told of it, its text may quote a customer."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("platform/tuneloop", "bot/tuneloop_bot", "workers/tuneloop_workers", "billing", "reports/tuneloop_reports")
METHODS = {"debug", "info", "warning", "error", "exception", "critical"}


def _sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def _log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS):
            continue
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id in ("log", "logger", "bound"):
            yield node


def _quotes(value: ast.expr) -> bool:
    """`str(error)`, `repr(error)`, an f-string or `.message`: made of text where the log is."""
    for node in ast.walk(value):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Attribute) and node.attr in ("message", "detail")):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "repr"):
            argument = node.args[0]
            if isinstance(argument, ast.Name) and ("error" in argument.id or argument.id in ("problem", "refusal")):
                return True
    return False


def test_no_log_line_is_made_of_an_exceptions_text() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno} {keyword.arg}"
        for path in _sources()
        for call in _log_calls(ast.parse(path.read_text()))
        for keyword in call.keywords
        if _quotes(keyword.value)
    ]
    assert found == []
