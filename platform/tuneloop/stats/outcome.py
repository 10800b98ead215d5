"""What a gate says about a candidate."""

from enum import StrEnum


class Outcome(StrEnum):
    PROMOTE = "promote"
    REJECT = "reject"
    NEED_MORE_LABELS = "need_more_labels"
