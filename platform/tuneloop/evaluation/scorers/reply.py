"""Correctness of a free-text reply that must state facts: are the values right, and nothing else invented?"""

import re
from dataclasses import dataclass

from tuneloop.evaluation.scorers.claims import CriticalSpan, extract
from tuneloop.evaluation.scorers.grounding import Sources, contradicting_spans, told, unsupported_spans
from tuneloop.evaluation.scorers.item import EvalItem, Score
from tuneloop.evaluation.scorers.overlap import rouge_l

_YES = re.compile(r"\W*(?:yes|yep|yeah)\b", re.IGNORECASE)
_NO = re.compile(r"\W*(?:no|nope|not)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ReplyScorer:
    """Correct when the answer makes every statement of the expected one, none unsupported, and yes is not no.

    What the question already says need not be repeated. An expected answer that states nothing checkable is compared
    by wording: `minimum_overlap` in ROUGE-L.
    """

    minimum_overlap: float = 0.35

    def __call__(self, item: EvalItem, answer: str) -> Score:
        wanted = critical_spans(item)
        given = Sources((answer,))
        missing = [span for span in wanted if not given.support(span)]
        share = 1 - len(missing) / len(wanted) if wanted else rouge_l(item.expected, answer)
        wrong = {*unsupported_spans(item, answer), *contradicting_spans(item, answer)}
        faults = [
            told(wrong),
            f"missing: {', '.join(dict.fromkeys(f'{span.kind} {span.text}' for span in missing))}" if missing else "",
            "yes and no differ" if _opposite(item.expected, answer) else "",
            f"wording differs (ROUGE-L {share:.2f})" if not wanted and share < self.minimum_overlap else "",
        ]
        detail = "; ".join(fault for fault in faults if fault)
        return Score(share, not detail, detail)


def critical_spans(item: EvalItem) -> tuple[CriticalSpan, ...]:
    """Statements of the expected answer that the conversation does not contain yet."""
    asked = Sources(tuple(message.content for message in item.messages))
    return tuple(span for span in extract(item.expected) if not asked.support(span))


def _opposite(expected: str, answer: str) -> bool:
    return bool((_YES.match(expected) and _NO.match(answer)) or (_NO.match(expected) and _YES.match(answer)))
