"""The first row of a table: names of its columns."""

from collections.abc import Sequence

from tuneloop.datasets.row import Limits
from tuneloop.kit.clean_text import clean_name
from tuneloop.kit.errors import InvalidInput


def header_of(line: int, cells: Sequence[str], limits: Limits) -> list[str]:
    """Names as the file writes them; a column without one gets its number, and is not read unless it is chosen.

    Raises:
        InvalidInput: there are too many columns, or two of one name.
    """
    if len(cells) > limits.columns:
        raise InvalidInput(f"line {line}: {len(cells):,} columns, at most {limits.columns} are read", line=line)
    names = [clean_name(cell)[:80] or f"column {number}" for number, cell in enumerate(cells, start=1)]
    folded = [name.casefold() for name in names]
    if twice := next((name for name, key in zip(names, folded, strict=True) if folded.count(key) > 1), None):
        raise InvalidInput(f"line {line}: two columns are named {twice!r}; rename one of them", line=line)
    return names
