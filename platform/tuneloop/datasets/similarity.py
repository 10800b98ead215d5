"""When two texts are the same, or nearly: canonical form, digest, exact overlap.

Overlap is the Jaccard index of multisets: of words and word pairs, and for short texts also of letter triples, so that
a typo counts for less than another word. One word changed in a text of ten makes a near-duplicate, in one of nine not.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

NEAR_DUPLICATE = 0.75
SHORT_TEXT = 200

_APOSTROPHES = "'\u2019\u02bc"
_VARIATION_SELECTORS = {chr(codepoint) for codepoint in range(0xFE00, 0xFE10)}

# Multisets as sets: the second occurrence of "to" is the element "to 2" with a separator that no text contains.
Multiset = frozenset[str]


class Shingles(NamedTuple):
    """`letters` is None for texts of more than SHORT_TEXT letters."""

    words: Multiset
    letters: Multiset | None


class _Fold(dict[int, str]):
    """Translation table that decides each character once: symbols are words, punctuation separates words."""

    def __missing__(self, codepoint: int) -> str:
        self[codepoint] = folded = _fold(chr(codepoint))
        return folded


def _fold(character: str) -> str:
    category = unicodedata.category(character)
    if character in _APOSTROPHES or character in _VARIATION_SELECTORS or category == "Cf":
        return ""
    if category in {"Sc", "Sm", "So"}:
        return f" {character} "
    return character if category[0] in "LMN" else " "


_FOLD = _Fold()


def canonical(text: str) -> str:
    """The text without case, encoding variants, punctuation and spacing; words separated by one blank.

    Currency and mathematical signs and emoji stay. A text of punctuation only is kept.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.translate(_FOLD).split()) or "".join(folded.split())


def content_hash(parts: Iterable[str]) -> str:
    """SHA-256 (hex) of a sequence of texts in canonical form."""
    digest = sha256()
    for part in parts:
        encoded = canonical(part).encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


def shingles(text: str) -> Shingles:
    words = canonical(text).split(" ")
    joined = "".join(words)
    letters = None
    if len(joined) <= SHORT_TEXT:
        letters = _multiset(joined[start : start + 3] for start in range(max(1, len(joined) - 2)))
    pairs = (f"{left} {right}" for left, right in pairwise(["", *words, ""]))
    return Shingles(_multiset([*words, *pairs]), letters)


def overlap(left: Shingles, right: Shingles) -> float:
    """0 (nothing in common) to 1 (the same in canonical form)."""
    by_words = _jaccard(left.words, right.words)
    if left.letters is None or right.letters is None:
        return by_words
    return max(by_words, _jaccard(left.letters, right.letters))


def _multiset(items: Iterable[str]) -> Multiset:
    seen: Counter[str] = Counter()
    numbered = []
    for item in items:
        seen[item] += 1
        numbered.append(item if seen[item] == 1 else f"{item}\x00{seen[item]}")
    return frozenset(numbered)


def _jaccard(left: Multiset, right: Multiset) -> float:
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)
