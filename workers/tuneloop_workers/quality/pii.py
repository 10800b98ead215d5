"""Personal data by patterns: presidio's recognisers with checksums, bank accounts, streets, and names.

No language model is loaded. Words that merely look like names are left alone: a name counts after a title or a phrase
by which people introduce themselves, or when a known first name is followed by another capitalised word.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import tldextract
from presidio_analyzer import PatternRecognizer
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IpRecognizer,
    PhoneRecognizer,
    UsSsnRecognizer,
)

from tuneloop_workers.quality.pii_names import names_in
from tuneloop_workers.quality.pii_numbers import accounts_in, is_address, is_phone
from tuneloop_workers.quality.pii_places import addresses_in
from tuneloop_workers.quality.pii_span import PiiSpan
from tuneloop_workers.quality.record import QualityFinding, ScanRow, Value

THRESHOLD = 0.4
REGIONS: Final = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "AT", "CH", "IE", "CA", "AU", "IN")
WORDS: Final = {
    "EMAIL_ADDRESS": "an e-mail address",
    "PHONE_NUMBER": "a phone number",
    "CREDIT_CARD": "a card number",
    "IBAN_CODE": "a bank account",
    "ADDRESS": "a postal address",
    "IP_ADDRESS": "an IP address",
    "US_SSN": "a social security number",
    "PERSON": "a person's name",
}

# Its list of domains would be fetched from the network at the first address; the one that it brings along is enough.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())


class Detector:
    """Recognisers are built once; each looks at one text at a time."""

    def __init__(self) -> None:
        self._patterns: list[PatternRecognizer] = [
            EmailRecognizer(),
            CreditCardRecognizer(),
            IpRecognizer(),
            UsSsnRecognizer(),
        ]
        self._phone = PhoneRecognizer(supported_regions=REGIONS)

    def spans(self, text: str) -> list[PiiSpan]:
        """What is above its threshold, the longer of two that overlap, by position."""
        found = [*self._recognised(text), *accounts_in(text), *addresses_in(text), *names_in(text)]
        kept: list[PiiSpan] = []
        for span in sorted(found, key=lambda each: (-each.score, each.start - each.end)):
            if all(span.end <= other.start or span.start >= other.end for other in kept):
                kept.append(span)
        return sorted(kept, key=lambda span: span.start)

    def _recognised(self, text: str) -> Iterator[PiiSpan]:
        for recogniser in (*self._patterns, self._phone):
            for result in recogniser.analyze(text, recogniser.supported_entities, None) or ():  # type: ignore[arg-type]  # patterns need none
                if result.score >= THRESHOLD and _is_plausible(result.entity_type, text, result.start, result.end):
                    yield PiiSpan(result.entity_type, result.start, result.end, result.score)


def find_personal(rows: Sequence[ScanRow], detector: Detector) -> list[QualityFinding]:
    """One finding for an example, naming the kinds of data and where they are; the data itself is not repeated."""
    found = []
    for row in rows:
        spans = [
            (place, span.start, span.end, span.entity)
            for place, text in row.texts.items()
            for span in detector.spans(text)
        ]
        if spans:
            kinds = list(dict.fromkeys(entity for *_, entity in spans))
            names = [WORDS[kind] for kind in kinds]
            summary = f"Contains {_listed(names)}. Replace it by placeholders, or say why it may stay."
            detail: dict[str, Value] = {"kinds": ", ".join(kinds), "n": len(spans), "spans": spans}
            found.append(QualityFinding(id=row.id, kind="personal_data", summary=summary, detail=detail))
    return found


def _is_plausible(entity: str, text: str, start: int, end: int) -> bool:
    if entity == "PHONE_NUMBER":
        return is_phone(text, start, end)
    return entity != "IP_ADDRESS" or is_address(text, start, end)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
