"""PostgreSQL regular expressions (used with `~*`) that find a text however it is spaced, written or cut short."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tuneloop.kit.errors import InvalidInput

FEWEST_LETTERS: Final = 5
LONGEST: Final = 20_000
BEGINNING: Final = 48
"""Letters by whose beginning a copy is known that was cut short."""
FEWEST_OF_A_COPY: Final = 12
ALTERNATIVES: Final = 100

_SPACE: Final = r"[[:space:]\u00a0]+"
_SPACE_IN_JSON: Final = r"([[:space:]\u00a0]|\\[nrt])+"
_NUMBER: Final = re.compile(r"\+?[\d\s()/.\-]{7,}")


class Pattern(NamedTuple):
    """`exact` is for a text by itself; `loose` finds at least as much, also in a JSON document written out."""

    exact: str
    loose: str


def pattern_of(target: str) -> Pattern:
    """Finds the target as words of their own: `ann@x.example` is not in `joann@x.example`.

    Letters' case, spaces and line breaks do not matter; of a telephone number neither do brackets, dashes and the
    country's prefix.

    Raises:
        InvalidInput: too short to be told from other text, or longer than any message.
    """
    words = target.split()
    said = "".join(words)
    if len(said) < FEWEST_LETTERS:
        raise InvalidInput(
            f"name at least {FEWEST_LETTERS} letters or digits: what is shorter is found in texts of other people",
            param="target",
        )
    if len(target) > LONGEST:
        raise InvalidInput(f"name at most {LONGEST} letters; the beginning of the text is enough", param="target")
    if _NUMBER.fullmatch(target.strip()) and sum(map(str.isdigit, target)) >= 7:
        number = _telephone(target)
        return Pattern(rf"(?<![0-9]){number}(?![0-9])", number)
    spelled = _spellings(words)
    before = r"(?<![[:alnum:]_.+\-])" if "@" in said else r"(?<![[:alnum:]_])"
    opening = before if words[0][0].isalnum() else ""
    closing = r"(?![[:alnum:]_])" if words[-1][-1].isalnum() else ""
    exact = "|".join(f"{opening}{_SPACE.join(each)}{closing}" for each in spelled)
    return Pattern(f"({exact})", f"({'|'.join(_SPACE_IN_JSON.join(map(_in_json, each)) for each in spelled)})")


def copies_of(texts: Iterable[str]) -> list[Pattern]:
    """Find copies of these texts, also those cut short, however many letters follow; several texts to a pattern."""
    beginnings: dict[str, list[list[str]]] = {}
    for text in texts:
        flat = " ".join(text.split())
        if len(flat) >= FEWEST_OF_A_COPY:
            cut = flat if len(flat) <= BEGINNING else flat[:BEGINNING].rsplit(" ", 1)[0]
            beginnings.setdefault(cut, _spellings(cut.split()))
    spelled = [each for spellings in beginnings.values() for each in spellings]
    chunks = [spelled[start : start + ALTERNATIVES] for start in range(0, len(spelled), ALTERNATIVES)]
    return [
        Pattern(
            f"({'|'.join(_SPACE.join(words) for words in chunk)})",
            f"({'|'.join(_SPACE_IN_JSON.join(map(_in_json, words)) for words in chunk)})",
        )
        for chunk in chunks
    ]


def _spellings(words: Sequence[str]) -> list[list[str]]:
    """As composed and as decomposed letters, where that differs."""
    forms = dict.fromkeys(unicodedata.normalize(form, "\n".join(words)) for form in ("NFC", "NFD"))
    return [[_escaped(word) for word in form.split("\n")] for form in forms]


def _escaped(word: str) -> str:
    return "".join(map(_letter, word))


def _letter(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isalnum() or letter == "_" else f"\\{letter}"
    lower, upper = letter.lower(), letter.upper()
    return f"[{lower}{upper}]" if lower != upper and len(lower) == len(upper) == 1 else letter


def _in_json(word: str) -> str:
    """Quotes and backslashes are escaped in a document that is written out."""
    return word.replace("\\\\", "(\\\\\\\\)+").replace('\\"', '\\\\?"')


def _telephone(target: str) -> str:
    """Its digits, however they are set apart; the national zero may be in brackets, a prefix or missing."""
    digits = re.sub(r"\D", "", target.replace("(0)", ""))
    national = digits
    if target.strip().startswith(("+", "00")):
        digits = digits.removeprefix("00")
        national = digits[2:]
        start = rf"(\+|00)?[[:space:]()/.\-]*{_apart(digits[:2])}[[:space:]/.\-]*(\(?0\)?)?|0"
        return rf"({start})[[:space:]()/.\-]*{_apart(national)}"
    national = digits.removeprefix("0")
    return rf"(\(?0|((\+|00)[0-9]{{1,3}}[[:space:]/.\-]*(\(0\))?))[[:space:]()/.\-]*{_apart(national)}"


def _apart(digits: str) -> str:
    return r"[[:space:]()/.\-]*".join(digits)
