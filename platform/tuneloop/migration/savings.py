"""What a month's answers cost at the service, or would cost there by now."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from tuneloop.kit.clock import now
from tuneloop.registry.external import cost_of
from tuneloop.tables import ExternalEndpoint, Prediction

MONTH = timedelta(days=30)
SHORTEST = timedelta(days=1)
"""Less traffic than that says nothing about a month."""


@dataclass(frozen=True)
class Saving:
    """By `answers` of the last `days`: what as many of them as a month has cost at the service's prices.

    `per_month`: millionths of the currency's unit. Tokens are counted by whoever answered, so after the switch they are
    our tokenizer's and the amount is an estimate.
    """

    answers: int
    days: int
    per_month: int
    currency: str


def saving(session: Session, endpoint: ExternalEndpoint) -> Saving | None:
    """None without prices, or with less than a day of traffic."""
    at = now()
    answers, first, read, written = session.execute(
        select_columns(
            func.count(),
            func.min(col(Prediction.at)),
            func.coalesce(func.sum(col(Prediction.prompt_tokens)), 0),
            func.coalesce(func.sum(col(Prediction.completion_tokens)), 0),
        ).where(
            col(Prediction.model_id) == endpoint.model_id,
            col(Prediction.at) > at - MONTH,
            col(Prediction.imported_from).is_(None),
        )
    ).one()
    cost = cost_of(endpoint, prompt_tokens=read, completion_tokens=written)
    if cost is None or first is None or at - first < SHORTEST:
        return None
    span = min(MONTH, at - first)
    return Saving(answers, max(1, span.days), round(cost * (MONTH / span)), endpoint.currency)
