"""Names of people where the words around them give them away, in the languages that reports are written in."""

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

from tuneloop_workers.quality.pii_span import PiiSpan

_SMALL = "[a-zß-öø-ÿıąćęłńśźżčšžğş]"
_LARGE = "[A-ZÀ-ÖØ-ÞŁŚŻŠŽČĆ]"
_CAPITAL = rf"(?:[OD]['\u2019]|Mc|Mac)?{_LARGE}{_SMALL}+(?:['\u2019-]{_LARGE}?{_SMALL}+)*"
_PARTICLE = r"(?:van|von|de|der|den|del|della|di|da|dos|la|le|zu|ter|ten|bin|al)"
_WORD = rf"(?:{_PARTICLE}[ \t]+){{0,2}}{_CAPITAL}"
_NAME = rf"{_WORD}(?:[ \t]+{_WORD}){{0,2}}"
_FULL = rf"{_CAPITAL}(?:[ \t]+{_WORD}){{1,2}}"

_TITLES = (
    r"Mr|Mrs|Ms|Miss|Dr|Prof|Herrn?|Frau|Hr|Mme|Mlle|Monsieur|Madame|Mademoiselle|M\.|"
    r"Se[ñn]or(?:a|ita)?|Sr|Sra|Srta|[Ss]ignora?|Sig|Sig\.ra|Dott|Dott\.ssa|Dhr|Mevr?|[Mm]evrouw|[Mm]eneer"
)
_TITLED = re.compile(rf"(?<![\w.])(?:{_TITLES})\.?[ \t]+((?:(?:Dr|Prof)\.?[ \t]+)*{_NAME})")
_CALLED = re.compile(
    rf"(?i:\b(?:my name is|mein name ist|ich hei(?:ß|ss)e|je m['\u2019]appelle|mon nom est|me llamo|mi nombre es|"
    rf"mi chiamo|il mio nome è|mijn naam is|ik heet)[ \t]+)({_NAME})"
)
_INTRODUCED = re.compile(
    rf"(?i:\b(?:this is|i am|i['\u2019]m|ich bin|hier ist|je suis|soy|sono|ik ben|regards,?|sincerely,?|thanks,?|"
    rf"gr(?:ü|ue)(?:ß|ss)en?,?|cordialement,?|saludos,?|saluti,?|groeten?,?)\s+)({_FULL})"
)
_PAIR = re.compile(rf"(?<![\w'\u2019-])(?=({_CAPITAL})[ \t]+((?:{_WORD}[ \t]+)?{_WORD})(?!\w))")
"""Looked for at every word: that before a name is often written large too."""

_NO_NAMES: Final = frozenset(
    """
    A About All Already Always An Angry At Back Bad Best Black Blue Done Customer Family For Friday From Fully
    Good Great Green Happy Here Home In Just Looking Lost Monday My Never New No Not Now Off On Only Our Out
    Please Ready Really Red Sad Saturday Service So Sorry Still Stuck Sunday Support Sure The Thursday To
    Tuesday Unable Upset Very Waiting Wednesday White With Work Wrong You Your Kunde Kundin Bei Im In Nicht Sehr
    Santa San
    """.split()  # noqa: SIM905  (a list of words reads better)
)
"""Large for stress or in a heading, as in "I'm Still Waiting"."""
_FIRST_NAMES: Final = frozenset((files("tuneloop_workers.quality") / "first_names.txt").read_text().split())
_NO_PEOPLE: Final = tuple((files("tuneloop_workers.quality") / "no_people.txt").read_text().splitlines())
_BRANDS: Final = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, _NO_PEOPLE))})(?!\w)")
_PLACES: Final = re.compile(
    r"\b(?:Station|Airport|Street|Road|Square|Hotel|Park|School|Office|Store|Shop|Guitar|Air|Period|Cruz|"
    r"Friday|Monday|Tuesday|Wednesday|Thursday|Saturday|Sunday)\b"
)
"""After what is a first name too, these make a place, a day or a thing of it."""


def names_in(text: str) -> Iterator[PiiSpan]:
    brands = [(match.start(), match.end()) for match in _BRANDS.finditer(text)]

    def is_free(match: re.Match[str]) -> bool:
        return all(match.end(1) <= start or match.start() >= end for start, end in brands)

    for pattern, score in ((_TITLED, 0.8), (_CALLED, 0.8)):
        for match in filter(is_free, pattern.finditer(text)):
            yield PiiSpan("PERSON", match.start(1), match.end(1), score)
    for match in filter(is_free, _INTRODUCED.finditer(text)):
        if _first(match[1]) in _FIRST_NAMES or _NO_NAMES.isdisjoint(re.findall(r"\w+", match[1])):
            yield PiiSpan("PERSON", match.start(1), match.end(1), 0.7)
    for match in filter(is_free, _PAIR.finditer(text)):
        found = text[match.start() : match.end(2)]
        if _first(match[1]) in _FIRST_NAMES and _NO_NAMES.isdisjoint(found.split()) and not _PLACES.search(found):
            yield PiiSpan("PERSON", match.start(), match.end(2), 0.6)


def _first(name: str) -> str:
    return re.split(r"[ \t-]", name)[0]
