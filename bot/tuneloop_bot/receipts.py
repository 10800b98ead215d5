"""What comes in from Slack is kept first, once; a job does what it asks for."""

from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from tuneloop.kit.jobs import enqueue
from tuneloop.tables import SlackInstallation, SlackReceipt
from tuneloop_bot.jobs import HandleReceipt


def keep(
    session: Session, installation: SlackInstallation, *, key: str, kind: str, slack_user: str, payload: dict[str, Any]
) -> UUID | None:
    """Keep what came in and enqueue its job; None when it came in before."""
    row = SlackReceipt(
        agency_id=installation.agency_id,
        installation_id=installation.id,
        key=key,
        kind=kind,
        slack_user_id=slack_user,
        payload=payload,
    )
    statement = insert(SlackReceipt).values(**row.model_dump()).on_conflict_do_nothing().returning(col(SlackReceipt.id))
    kept = session.execute(statement).scalar_one_or_none()
    if kept is not None:
        enqueue(session, HandleReceipt(receipt_id=kept), agency_id=installation.agency_id)
    return kept


def lock_receipt(session: Session, receipt_id: UUID) -> SlackReceipt:
    query = select(SlackReceipt).where(SlackReceipt.id == receipt_id).with_for_update()
    return session.exec(query.execution_options(populate_existing=True)).one()
