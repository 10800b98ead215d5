"""Which columns of a table, or keys of an object, hold the text, the answer and the category."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tuneloop.datasets.row import Choice

PAIRS: Final = (
    ("text", "label"),
    ("prompt", "completion"),
    ("question", "answer"),
    ("prompt", "response"),
    ("text", "category"),
    ("text", "intent"),
)
"""Names that are understood together, whatever else there is: the text, and the answer to it."""

TEXTS: Final = (
    *("text", "message", "prompt", "question", "query", "utterance", "input", "instruction", "sentence", "comment"),
    *("content", "body", "request", "email", "customer_message", "user_message", "nachricht", "frage"),
)
ANSWERS: Final = (
    *("label", "completion", "answer", "response", "output", "intent", "target", "class", "category", "topic"),
    *("expected", "reply", "label_text", "kategorie", "antwort"),
)
_MARKS: Final = frozenset({"0", "1", "0.0", "1.0", "true", "false", "yes", "no", "x", ""})


class Columns(NamedTuple):
    """Names as the file writes them."""

    text: str
    answer: str
    category: str | None = None


class Unclear(Exception):
    """The columns have to be chosen; says which there are."""


def columns_of(values: Mapping[str, Any], choice: Choice) -> Columns:
    """The columns that are chosen, or whose names say what they hold.

    Raises:
        Unclear: a chosen column is not there, or the names say nothing or several things.
    """
    names = {name.strip().casefold(): name for name in values}
    text = _chosen(choice.text, names)
    answer = _chosen(choice.answer, names)
    category = _chosen(choice.category, names)
    if not (text or answer):
        for first, second in PAIRS:
            if first in names and second in names:
                return Columns(names[first], names[second], category or _category(names, second))
    text = text or _only(names, TEXTS, but={answer}, what="the text", values=values)
    answer = answer or _only(names, ANSWERS, but={text, category}, what="the answer", values=values)
    return Columns(text, answer, category or (_category(names, answer.casefold()) if answer != text else None))


def text_among(names: Collection[str]) -> str | None:
    """The only column whose name says that it holds the text."""
    found = [name for name in names if name.strip().casefold() in TEXTS]
    return found[0] if len(found) == 1 else None


def _chosen(wanted: str | None, names: Mapping[str, str]) -> str | None:
    if wanted is None:
        return None
    found = names.get(wanted.strip().casefold())
    if found is None:
        raise Unclear(f"there is no column {wanted[:80]!r}; there are {_listed(names.values())}")
    return found


def _category(names: Mapping[str, str], answer: str) -> str | None:
    return names.get("category") if answer in {"label", "completion"} else None


def _only(
    names: Mapping[str, str], known: Sequence[str], *, but: Collection[str | None], what: str, values: Mapping[str, Any]
) -> str:
    found = [names[name] for name in known if name in names and names[name] not in but]
    if len(found) == 1:
        return found[0]
    if not found and len(marked := [name for name in names.values() if _is_mark(values[name])]) > 1:
        raise Unclear(
            f"{_listed(marked)} hold marks such as 0 and 1, so texts can have several labels; "
            "a model here gives one answer, so export one label for each text, in one column"
        )
    which = f"{what} may be in {_listed(found)}" if found else f"no column is known to hold {what}"
    raise Unclear(f"{which}; choose the columns of text and answer among {_listed(names.values())}")


def _is_mark(value: Any) -> bool:
    return isinstance(value, bool | int) or (isinstance(value, str) and value.strip().lower() in _MARKS)


def _listed(names: Collection[str]) -> str:
    quoted = [repr(name[:40]) for name in names]
    return ", ".join(quoted[:12]) + (f" and {len(quoted) - 12} more" if len(quoted) > 12 else "")
