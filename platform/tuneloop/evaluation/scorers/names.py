"""Names in running text: capitalised words that do not merely open a sentence."""

import re
from collections.abc import Collection
from functools import lru_cache

from rapidfuzz import fuzz, process

_CAPITALISED = r"[A-ZÀ-ÖØ-Þ][\w\u2019'&-]*"
_SEQUENCE = re.compile(rf"{_CAPITALISED}(?: {_CAPITALISED})*")
_WORD = re.compile(r"[\w\u2019'&-]+")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n\u2022*])[\s\"'\u201c\u201d\u2018\u2019()\[\]*_-]*$")
_POSSESSIVE = re.compile(r"['\u2019]s?$")

# fmt: off
_NOT_NAMES = frozenset({
    "i", "i'm", "i'll", "i'd", "i've", "ok", "okay", "faq", "pdf", "id", "vat", "sms", "pin", "tv", "ps", "am", "pm",
    "mr", "mrs", "ms", "dr", "sir", "madam", "customer", "team", "support", "service", "regards", "english",
    "internet", "wi-fi", "no", "not", "yes", "must", "only", "all", "never", "always", "and", "or", "any", "the",
})
# fmt: on
_SAME_WORD = 88.0  # rapidfuzz ratio: an ending or a slip in a long word passes, "Marta" for "Maria" does not


def names(text: str) -> list[str]:
    """Names as written. A single capitalised word that opens a sentence is not taken for one: most are plain words."""
    found = []
    for match in _SEQUENCE.finditer(text):
        words = match[0].split(" ")
        if _SENTENCE_START.search(text[max(0, match.start() - 20) : match.start()]):
            words = words[1:]
        kept = [word for word in words if word.casefold().replace("\u2019", "'") not in _NOT_NAMES]
        if kept:
            found.append(" ".join(kept))
    return found


@lru_cache(maxsize=512)
def words_of(text: str) -> frozenset[str]:
    """Casefolded words without possessive endings."""
    return frozenset(_POSSESSIVE.sub("", word.casefold()) for word in _WORD.findall(text))


def is_among(name: str, words: Collection[str]) -> bool:
    """Every word of the name occurs among the casefolded `words`, give or take an ending."""
    return all(_known(word, words) for word in words_of(name))


def _known(word: str, words: Collection[str]) -> bool:
    if word in words or word.removesuffix("s") in words or f"{word}s" in words:
        return True
    return process.extractOne(word, words, scorer=fuzz.ratio, score_cutoff=_SAME_WORD) is not None
