"""The way of a new model to its first version, as its page shows it."""

from typing import NamedTuple

from sqlmodel import Session

from tuneloop.datasets.service import pool_size
from tuneloop.kit.settings import Settings
from tuneloop.registry.service import list_versions
from tuneloop.retraining.effort import Effort, effort_of
from tuneloop.retraining.service import cycles_of
from tuneloop.retraining.states import ENDED
from tuneloop.tables import Pool, RegisteredModel, RetrainingCycle


class FirstVersion(NamedTuple):
    """Examples to train on and to measure with, what training takes, and the cycle under way."""

    training: int
    golden: int
    effort: Effort
    cycle: RetrainingCycle | None
    trained: bool

    @property
    def has_data(self) -> bool:
        return bool(self.training and self.golden)


def first_version(session: Session, settings: Settings, model: RegisteredModel) -> FirstVersion:
    training = pool_size(session, model, Pool.TRAINING)
    hourly, currency = settings.compute_hourly, settings.currency
    return FirstVersion(
        training=training,
        golden=pool_size(session, model, Pool.GOLDEN),
        effort=effort_of(session, model, examples=training, hourly=hourly, currency=currency),
        cycle=next((each for each in cycles_of(session, model, limit=1) if each.state not in ENDED), None),
        trained=bool(list_versions(session, model)),
    )
