"""CSV cells that a spreadsheet would run as a formula, made harmless on the way out and restored on the way in."""

import re

# Quotation marks before the sign are part of the match so that escaping can be undone exactly.
_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")  # noqa: RUF001 - spreadsheets read full-width signs alike
_ESCAPED = re.compile(rf"'{_FORMULA.pattern}")


def escape(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unescape(cell: str) -> str:
    return cell[1:] if _ESCAPED.match(cell) else cell
