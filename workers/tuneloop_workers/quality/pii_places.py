"""Postal addresses: a street with its number, as they are written in the languages of reports."""

import re
from collections.abc import Iterator

from tuneloop_workers.quality.pii_span import PiiSpan

_CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'\u2019.-]{0,40}"
_NUMBER = r"\d{1,4}(?:[ ]?[a-z](?!\w))?"
_CITY = rf"(?:,?[ ]+(?:\d{{4,5}}(?:[ ][A-Z]{{2}})?[ ]+)?{_CAPITAL}(?:[ ]{_CAPITAL})?)"
_GERMAN_OR_DUTCH = (
    rf"(?:(?:Am|An der|Im|In der|Zum|Zur)[ ])?(?:{_CAPITAL}[ -])?(?:{_CAPITAL}(?:stra(?:ß|ss)e|str\.|weg|platz|allee|"
    rf"gasse|ring|damm|ufer|markt|straat|laan|plein|gracht|kade|dijk|singel)|(?:Stra(?:ß|ss)e|Weg|Platz|Allee|Gasse|"
    rf"Ring|Damm|Markt))[ ]+{_NUMBER}"
)
_ENGLISH = (
    rf"\d{{1,4}}[a-zA-Z]?[ ]+(?:{_CAPITAL}[ ]){{1,3}}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Court|Boulevard|"
    r"Blvd|Way|Close|Terrace|Gardens|Square|Crescent)\b"
)
_FRENCH = (
    r"\d{1,4}(?:[ ]?(?:bis|ter))?,?[ ]+(?i:rue|avenue|boulevard|bd|place|chemin|allée|impasse|quai)[ ]+"
    rf"(?:(?:de|du|des|la|le|les)[ ]|[ld]['\u2019]){{0,2}}{_CAPITAL}(?:[ ]{_CAPITAL})?"
)
_SPANISH_OR_ITALIAN = (
    r"(?:Calle|C/|Avenida|Avda?\.?|Plaza|Paseo|Via|Viale|Piazza|Corso|Largo)[ ]+"
    rf"(?:(?:de|del|della|di|la|el|los|las)[ ]){{0,2}}{_CAPITAL}(?:[ ]{_CAPITAL})?,?[ ]+(?:n[º°.][ ]?)?{_NUMBER}"
)
_ADDRESS = re.compile(rf"(?<!\w)(?:{_GERMAN_OR_DUTCH}|{_ENGLISH}|{_FRENCH}|{_SPANISH_OR_ITALIAN})(?:{_CITY})?")


def addresses_in(text: str) -> Iterator[PiiSpan]:
    for match in _ADDRESS.finditer(text):
        yield PiiSpan("ADDRESS", match.start(), match.end(), 0.75)
