"""Which label a classifier means that nothing confines to its labels."""

from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.labels import index_of

_AROUND = " \t\r\n\"'`*.:"


def label_said(contract: Contract, text: str) -> str:
    """The label that the text is, or looks like, but for quotes, spaces and a full stop; else the text."""
    if contract.task is not Task.CLASSIFY:
        return text
    found = index_of(contract.labels).find(text.strip(_AROUND))
    return text if found is None else found
