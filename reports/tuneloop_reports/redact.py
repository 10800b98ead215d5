"""Takes what can identify a person or an account out of an example before it is shown to somebody."""

import re

_PATTERNS = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"\bhttps?://\S+|\bwww\.\S+", re.IGNORECASE), "[link]"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){3,7}(?:[ ]?[A-Z0-9]{1,3})?\b"), "[account]"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "[address]"),
    (re.compile(r"\b(?:\d[ -]?){13,19}\b"), "[card]"),
    (re.compile(r"(?<![\w])\+?\(?\d[\d ()/.-]{6,}\d(?![\w])"), "[number]"),
    (re.compile(r"\b(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z0-9-]{6,}\b"), "[reference]"),
    (re.compile(r"(?<![\w.,€$£-])\d{5,}\b"), "[number]"),
    (
        re.compile(
            r"\b(?P<before>(?:[Mm]y name is|[Ii] am|[Ii]'m|[Tt]his is|[Ii]ch bin|[Mm]ein Name ist|[Hh]err|[Ff]rau|"
            r"Mr\.?|Mrs\.?|Ms\.?|Dr\.?)\s+)(?:[A-ZÄÖÜ][\w'-]+)(?:\s+[A-ZÄÖÜ][\w'-]+)?"
        ),
        r"\g<before>[name]",
    ),
    (
        re.compile(
            r"(?P<before>(?:[Rr]egards|[Tt]hanks|[Tt]hank you|[Cc]heers|[Gg]rüße|[Gg]ruß),?\s+)"
            r"[A-ZÄÖÜ][\w'-]+(?:\s+[A-ZÄÖÜ][\w'-]+)?\s*$"
        ),
        r"\g<before>[name]",
    ),
)


def redact(text: str) -> str:
    """Addresses, links, numbers of accounts, cards, phones and orders, and names that are introduced as such."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def shorten(text: str, longest: int) -> str:
    """One paragraph of at most `longest` characters, cut between words."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    return text[: longest - 2].rsplit(" ", 1)[0][: longest - 2] + " …"
