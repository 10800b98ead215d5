"""Links for clients: "the answer should have been …", without an account."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.identity.links import NewLink, share, shared
from tuneloop.kit.clean_text import clean
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotFound, TuneloopError
from tuneloop.kit.principal import Principal
from tuneloop.predictions.gate_holdout import is_reserved
from tuneloop.predictions.service import find_prediction, report_feedback
from tuneloop.registry.contract import Task
from tuneloop.registry.labels import index_of
from tuneloop.registry.service import contract_of
from tuneloop.review.items import ORDER, put
from tuneloop.review.sources_schemas import LONGEST_LIFE_DAYS
from tuneloop.tables import (
    FeedbackKind,
    Prediction,
    RegisteredModel,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    Role,
    ShareLink,
    Source,
)

PURPOSE = "correction"
PREFIX = "fix_"
LIFE_DAYS = 30
AN_HOUR = timedelta(hours=1)
MOST_AN_HOUR = 20
MOST_IN_ALL = 500


class TooManyCorrections(TuneloopError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too_many_requests"
    transient = True


def create_link(
    session: Session, *, principal: Principal, model: RegisteredModel, days: int = LIFE_DAYS
) -> NewLink[ShareLink]:
    """Raises InvalidInput for a life of less than a day or more than half a year."""
    principal.require(Role.OPERATOR)
    if not 1 <= days <= LONGEST_LIFE_DAYS:
        raise InvalidInput(f"a link lives 1 to {LONGEST_LIFE_DAYS} days", param="days")
    made = share(
        session,
        ShareLink,
        created_by=principal.name,
        days=days,
        prefix=PREFIX,
        client_id=model.client_id,
        model_id=model.id,
        purpose=PURPOSE,
    )
    record(session, principal, "link.create", "link", made.row.id, client_id=model.client_id, days=days)
    return made


def list_links(session: Session, model: RegisteredModel) -> list[ShareLink]:
    """Newest first."""
    query = select(ShareLink).where(ShareLink.model_id == model.id, ShareLink.purpose == PURPOSE)
    return list(session.exec(query.order_by(col(ShareLink.created_at).desc())))


def revoke_link(session: Session, *, principal: Principal, link_id: UUID) -> ShareLink:
    """Revoking twice is once."""
    principal.require(Role.OPERATOR)
    link = session.get(ShareLink, link_id)
    if link is None:
        raise NotFound("link", link_id)
    if link.revoked_at is None:
        link.revoked_at = now()
        session.add(link)
        record(session, principal, "link.revoke", "link", link_id, client_id=link.client_id)
    return link


def find_link(session: Session, token: str) -> ShareLink:
    """Needs a session across agencies. An expired, a revoked and an unknown link answer alike: NotFound."""
    link = shared(session, ShareLink, token)
    if link is None or link.purpose != PURPOSE:
        raise NotFound("link", "of this address; ask for a new one")
    return link


def correct_by_link(
    session: Session,
    *,
    link_id: UUID,
    expected: str,
    question: str = "",
    answer_id: UUID | None = None,
    comment: str = "",
    name: str = "",
) -> ReviewItem | None:
    """Put a client's correction into the review queue; it trains only once a labeller agrees.

    An answer that is kept for the gate waits as feedback instead, and None is returned.

    Raises:
        InvalidInput: neither question nor answer, no correction, or no label of the model.
        TooManyCorrections: the link was used too often within an hour.
    """
    link = session.exec(select(ShareLink).where(ShareLink.id == link_id).with_for_update()).one()
    model = session.get_one(RegisteredModel, link.model_id)
    expected, question, comment, name = (clean(each).strip() for each in (expected, question, comment, name))
    if not expected:
        raise InvalidInput("say what the answer should have been", param="expected")
    _check_rate(session, link)
    link.uses, link.used_at = link.uses + 1, now()
    session.add(link)
    said: dict[str, Any] = {
        "client": expected,
        "comment": comment,
        "reporter": name,
        "link": str(link.id),
    }
    if answer_id is None:
        if not question:
            raise InvalidInput("write the question that was asked", param="question")
        return _asked(session, model, question, said)
    prediction = find_prediction(session, model_id=model.id, answer_id=answer_id)
    if contract_of(model).task is Task.GENERATE or index_of(contract_of(model).labels).find(expected):
        feedback = report_feedback(
            session,
            answer_id=prediction.id,
            kind=FeedbackKind.CORRECTION,
            correction=expected,
            comment=said["comment"] or None,
            reporter=f"link {link.id.hex[-8:]} {said['reporter']}".strip(),
        )
        session.flush()
        if is_reserved(session, model=model, prediction=prediction):
            return None
        return _about(session, model, prediction, said | {"feedback": [str(feedback.id)]})
    reserved = is_reserved(session, model=model, prediction=prediction)
    return None if reserved else _about(session, model, prediction, said)


def _check_rate(session: Session, link: ShareLink) -> None:
    recent = session.exec(
        select(func.count(col(ReviewItem.id))).where(
            ReviewItem.model_id == link.model_id,
            col(ReviewItem.answers)["link"].astext == str(link.id),
            ReviewItem.created_at > now() - AN_HOUR,
        )
    ).one()
    if recent >= MOST_AN_HOUR or link.uses >= MOST_IN_ALL:
        raise TooManyCorrections("thank you; that is as much as we can take in an hour, please come back later")


def _asked(session: Session, model: RegisteredModel, question: str, said: dict[str, Any]) -> ReviewItem:
    item = ReviewItem(
        client_id=model.client_id,
        model_id=model.id,
        purpose=ReviewPurpose.FLAGGED,
        source=Source.CLIENT_LINK,
        reason=_reason(said),
        priority=ORDER[ReviewPurpose.FLAGGED] + 0.5,
        messages=[{"role": "user", "content": question}],
        answers=said,
    )
    return put(session, model, [item])[0]


def _about(session: Session, model: RegisteredModel, prediction: Prediction, said: dict[str, Any]) -> ReviewItem:
    """One item for an answer, however many correct it."""
    known = session.exec(
        select(ReviewItem).where(ReviewItem.prediction_id == prediction.id, ReviewItem.purpose == ReviewPurpose.FLAGGED)
    ).one_or_none()
    if known is not None:
        if known.state is ReviewState.OPEN:
            feedback = [*known.answers.get("feedback", []), *said.get("feedback", [])]
            known.answers = known.answers | said | {"feedback": list(dict.fromkeys(feedback))}
            known.reason, known.source = _reason(said), Source.CLIENT_LINK
            session.add(known)
        return known
    item = ReviewItem(
        client_id=model.client_id,
        model_id=model.id,
        purpose=ReviewPurpose.FLAGGED,
        source=Source.CLIENT_LINK,
        reason=_reason(said),
        priority=ORDER[ReviewPurpose.FLAGGED] + 0.5,
        prediction_id=prediction.id,
        messages=prediction.messages,
        answers={"production": prediction.answer} | said,
    )
    return put(session, model, [item])[0]


def _reason(said: dict[str, Any]) -> str:
    who = f" ({said['reporter']})" if said["reporter"] else ""
    return f"The client{who} says what the answer should have been."
