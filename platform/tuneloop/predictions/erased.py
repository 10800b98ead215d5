"""What stands where text was taken away: rows stay, so that what was counted stays true."""

from typing import Final

from sqlalchemy import ColumnElement
from sqlmodel import col

from tuneloop.tables import Prediction

ERASED: Final = "[erased]"


def has_text() -> ColumnElement[bool]:
    """Condition on `Prediction`: its conversation can still be read, labelled and learned from."""
    first: ColumnElement[str] = col(Prediction.messages)[0]["content"].astext
    return first.is_distinct_from(ERASED)
