"""Scorers for classification."""

from tuneloop.evaluation.scorers.item import EvalItem, Score, all_or_nothing


def allowed_label(item: EvalItem, answer: str) -> Score:
    """The answer is one of the item's labels, whichever: anything else is invented."""
    return all_or_nothing(answer.strip() in item.labels, f"{answer.strip()[:80]!r} is not an allowed label")


def label(item: EvalItem, answer: str) -> Score:
    """The answer is the expected label."""
    if not allowed_label(item, answer).correct:
        return allowed_label(item, answer)
    return all_or_nothing(answer.strip() == item.expected, f"expected {item.expected!r}")
