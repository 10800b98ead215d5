"""Training examples as after a scan that found nothing."""

from sqlalchemy import update
from sqlmodel import Session, col

from tuneloop.kit.clock import now
from tuneloop.tables import Example, RegisteredModel


def mark_checked(session: Session, model: RegisteredModel) -> None:
    session.flush()
    session.execute(update(Example).where(col(Example.model_id) == model.id).values(checked_at=now()))
    session.expire_all()
