"""Is what a reply states supported? Hallucination without a judge model: unsupported or contradicting statements.

It sees wrong prices, dates, times, names, numbers, links. It can't see a wrong claim made of words only, or a name
that opens a sentence.
"""

from dataclasses import dataclass

from tuneloop.evaluation.scorers.claims import CriticalSpan, Kind, extract, numbers_anywhere
from tuneloop.evaluation.scorers.item import EvalItem, Score
from tuneloop.evaluation.scorers.labels import allowed_label
from tuneloop.evaluation.scorers.names import is_among, words_of

_ADDRESSED = {Kind.NAME, Kind.DATE, Kind.WEEKDAY}  # repeated from the question without being the answer


@dataclass(frozen=True)
class Sources:
    """Texts that may support a statement."""

    texts: tuple[str, ...]

    def support(self, claim: CriticalSpan) -> bool:
        """Some source says it: all facts of one reading of the claim, or a name's words."""
        if claim.kind is Kind.NAME:
            return is_among(claim.text, frozenset[str]().union(*(words_of(text) for text in self.texts)))
        if any(_entails(span, claim) for text in self.texts for span in extract(text)):
            return True
        return claim.kind is Kind.NUMBER and any(
            reading in numbers_anywhere(text) for text in self.texts for reading in claim.readings
        )


def unsupported_spans(item: EvalItem, answer: str) -> tuple[CriticalSpan, ...]:
    """Statements of the answer that neither the facts, nor the conversation, nor the reference answer make."""
    sources = Sources((item.facts, item.expected, *(message.content for message in item.messages)))
    return tuple(span for span in extract(answer) if not sources.support(span))


def contradicting_spans(item: EvalItem, answer: str) -> tuple[CriticalSpan, ...]:
    """Statements put in place of the expected ones: same kind, while an expected one of that kind is missing.

    Catches the right-looking price of another product, which the facts do support.
    """
    given, wanted = Sources((answer,)), extract(item.expected)
    missing = {span.kind for span in wanted if not given.support(span)}
    expected, asked = Sources((item.expected,)), Sources(tuple(message.content for message in item.messages))
    return tuple(
        span
        for span in extract(answer)
        if span.kind in missing and not expected.support(span) and not (span.kind in _ADDRESSED and asked.support(span))
    )


def is_hallucination(item: EvalItem, answer: str) -> bool:
    """A label outside the set, or a statement that is unsupported or contradicts the reference."""
    if item.labels:
        return not allowed_label(item, answer).correct
    return bool(unsupported_spans(item, answer) or contradicting_spans(item, answer))


def grounded(item: EvalItem, answer: str) -> Score:
    """Share of the answer's statements that are supported; correct when all are and none contradicts."""
    wrong = {*unsupported_spans(item, answer), *contradicting_spans(item, answer)}
    stated = len(extract(answer))
    return Score(1 - len(wrong) / stated if stated else 1.0, not wrong, told(wrong))


def told(spans: set[CriticalSpan]) -> str:
    """ "unsupported: price $4.95, name Parcelwren" """
    listed = ", ".join(sorted({f"{span.kind} {span.text}" for span in spans}))
    return f"unsupported: {listed}" if listed else ""


def _entails(source: CriticalSpan, claim: CriticalSpan) -> bool:
    if source.kind is claim.kind is Kind.NUMBER:
        return any(said <= meant or meant <= said for said in claim.readings for meant in source.readings)
    if source.kind is claim.kind:
        return any(said <= meant for said in claim.readings for meant in source.readings)
    if claim.kind is Kind.PRICE and source.kind is Kind.NUMBER:
        return any(meant <= said for said in claim.readings for meant in source.readings)
    return False
