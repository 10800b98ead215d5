"""Bank accounts as people type them; which numbers are those of phones and machines rather than something else."""

import re
from collections.abc import Iterator
from typing import Final

from tuneloop_workers.quality.pii_span import PiiSpan

_LENGTHS: Final = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "NL", "FO", "GL"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "XK"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "DE", "GB", "GE", "IE", "ME", "RS", "BH"), 22),
    **dict.fromkeys(("AE", "GI", "IL", "TL"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN"), 24),
    **dict.fromkeys(("PT",), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("FR", "GR", "IT", "MC", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "CY", "HU", "LB", "PL"), 28),
    **dict.fromkeys(("BR", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
}
"""Characters of an IBAN by country (the registry of ISO 13616)."""

_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,27}")
_VERSION = re.compile(
    r"(?i)(?:\b(?:version|release|build|firmware|update|ios|android|windows|macos|kernel)|\bv)\W{0,2}$"
)
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}")
_NO_PHONE = re.compile(r"(?i)\b(?:isbn|sku|serial|tracking|version|build|order|invoice|part no|firmware|iban)\W{0,3}$")


def accounts_in(text: str) -> Iterator[PiiSpan]:
    """In any case, in any grouping, with the right length and checksum."""
    for match in _IBAN.finditer(text):
        length = _LENGTHS.get(match[0][:2].upper())
        places = [place for place, letter in enumerate(match[0]) if letter.isalnum()]
        if length is None or len(places) < length:
            continue
        end = match.start() + places[length - 1] + 1
        if not text[end : end + 1].isalnum() and _checks(match[0][: places[length - 1] + 1]):
            yield PiiSpan("IBAN_CODE", match.start(), end, 1.0)


def _checks(written: str) -> bool:
    """The remainder by 97 of ISO 7064."""
    plain = re.sub(r"\W", "", written).upper()
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1


def is_phone(text: str, start: int, end: int) -> bool:
    """Order numbers look like phone numbers: one counts with a plus, a bracket, or digits in groups."""
    number = text[start:end]
    if _DATE.match(number.strip()) or _NO_PHONE.search(text[:start]):
        return False
    if number.lstrip().startswith(("+", "(", "00")):
        return True
    groups = re.findall(r"\d+", number)
    is_national = groups[0].startswith("0") and len(groups[0]) < 6 and sum(map(len, groups)) >= 9
    return len(groups) >= 3 or (len(groups) == 2 and is_national)


def is_address(text: str, start: int, end: int) -> bool:
    """Versions of programs look like addresses of machines."""
    number = text[start:end]
    return len(number) >= 7 and number != "1.2.3.4" and _VERSION.search(text[:start]) is None
