"""A random sample of production answers, labelled by people: the only stream that measures accuracy on real traffic.

A labelled answer joins the rolling set, where it measures; only once retired from there may it train.
"""

from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.datasets.service import add_example
from tuneloop.identity.principal import Principal
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.registry.templates import Message
from tuneloop.tables import Example, Monitor, Pool, Prediction, RegisteredModel, Role, Source


def draw_sample(session: Session, *, model: RegisteredModel, size: int) -> list[Prediction]:
    """A uniform random sample of the unlabelled answers that production gave since the last reading."""
    query = select(Prediction).where(
        Prediction.model_id == model.id,
        ~select(Example.id).where(Example.prediction_id == Prediction.id).exists(),
    )
    monitor = session.exec(
        select(Monitor).where(Monitor.model_id == model.id).order_by(col(Monitor.updated_at).desc()).limit(1)
    ).one_or_none()
    if monitor is not None:
        query = query.where(Prediction.at > monitor.read_until)
    return list(session.exec(query.order_by(func.random()).limit(size)))


def label(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    prediction_id: UUID,
    expected: str,
    category: str | None = None,
) -> Example:
    """Say what the right answer was."""
    principal.require(Role.OPERATOR)
    prediction = session.get(Prediction, prediction_id)
    if prediction is None or prediction.model_id != model.id:
        raise NotFound("prediction", prediction_id)
    known = session.exec(
        select(Example).where(Example.prediction_id == prediction_id, Example.pool == Pool.ROLLING)
    ).one_or_none()
    if known is not None:
        raise Conflict("this answer is labelled already", prediction=str(prediction_id))
    if category is None:
        category = expected if contract_of(model).task is Task.CLASSIFY else ""
    return add_example(
        session,
        principal=principal,
        model=model,
        pool=Pool.ROLLING,
        messages=[Message.model_validate(message) for message in prediction.messages],
        expected=expected,
        category=category,
        source=Source.SAMPLED,
        prediction_id=prediction_id,
    )
