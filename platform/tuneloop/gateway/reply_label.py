"""Which label a classifier means that nothing confines to its labels."""

import unicodedata

from tuneloop.registry.contract import Contract, Task

_AROUND = " \t\r\n\"'`*.:"


def label_said(contract: Contract, text: str) -> str:
    """The label that the text is but for case, quotes, spaces and a full stop; else, or without labels, the text."""
    if contract.task is not Task.CLASSIFY:
        return text
    said = _plain(text)
    found = [label for label in contract.labels if _plain(label) == said]
    return found[0] if len(found) == 1 else text


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).strip(_AROUND).casefold().split())
