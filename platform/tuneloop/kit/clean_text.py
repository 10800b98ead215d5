"""One clean text at every entrance: what is stored, compared and learned is written in one way.

Composed letters (Unicode NFC), lines that end with a line feed, no byte order marks and no control characters. Joiners,
direction marks and variation selectors stay in texts: scripts and emoji need them.
"""

import re
import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator

_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_JOINERS: Final = "\u200c\u200d"
"""Written between letters in Persian and Indian scripts, and within emoji."""

_LOOKALIKES: Final = str.maketrans(
    {
        **dict(zip("аеорсухіјѕһԁԛԝ", "aeopcyxijshdqw", strict=True)),  # noqa: RUF001 - Cyrillic like Latin
        **dict(zip("ονρι", "ovpi", strict=True)),  # noqa: RUF001 - Greek like Latin
        **dict.fromkeys("‐‑‒–—−", "-"),  # noqa: RUF001
        **dict.fromkeys("’‘ʼ`´", "'"),  # noqa: RUF001
        **dict.fromkeys("“”„", '"'),
    }
)


def clean(text: str) -> str:
    """The text as it is kept. Cleaning twice is cleaning once."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))


def clean_name(text: str) -> str:
    """A label or another name of one line: words separated by one space, nothing invisible."""
    joined = " ".join(clean(text).split())
    shown = "".join(each for each in joined if unicodedata.category(each) != "Cf" or each in _JOINERS)
    return " ".join(shown.split()).strip(_JOINERS)


def look(name: str) -> str:
    """What a reader sees of a name: two with the same look cannot be told apart, whatever they are made of.

    Without case, width, accents' encoding and invisible characters; Cyrillic and Greek letters, dashes and quotation
    marks as the Latin ones they look like (after https://www.unicode.org/reports/tr39/).
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", clean_name(name)).casefold())
    seen = "".join(each for each in folded if unicodedata.category(each) != "Cf" and not "\ufe00" <= each <= "\ufe0f")
    return " ".join(seen.translate(_LOOKALIKES).split())


def shown(text: str) -> str:
    """Quoted, with the code point of every character that cannot be seen or is not what it looks like."""
    spelt = "".join(each if _is_plain(each) else f"<U+{ord(each):04X}>" for each in text)
    return f"'{spelt}'"


CleanText = Annotated[str, AfterValidator(clean)]
CleanName = Annotated[str, AfterValidator(clean_name)]


def _is_plain(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    if character.translate(_LOOKALIKES) != character and character not in "‐‑‒–—−’‘ʼ`´“”„":  # noqa: RUF001
        return False
    return character.isprintable() and not unicodedata.combining(character)
