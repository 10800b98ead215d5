"""HTTP: what a client's application reports about an answer it got."""

import asyncio
import time
from uuid import UUID

import structlog
from litestar import post
from litestar.params import JSONBody
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tuneloop.gateway.auth import GatewayRequest, gateway_of
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotFound, Unavailable
from tuneloop.kit.principal import Principal
from tuneloop.predictions.completion_ids import prediction_id
from tuneloop.predictions.schemas import FeedbackCreate, FeedbackRead
from tuneloop.predictions.service import report_feedback

log = structlog.get_logger(__name__)

YOUNG_SECONDS = 2.0
RETRIES = 3
RETRY_SECONDS = 0.25


@post("/feedback", public=True, status_code=201, request_max_body_size=1 << 18, tags=["gateway"])
async def report(request: GatewayRequest, data: JSONBody[FeedbackCreate]) -> FeedbackRead:
    """Rate an answer, report an error in it, or correct it. Sending the same again changes nothing."""
    gateway, answer_id = gateway_of(request), prediction_id(data.id)
    try:
        await gateway.recorder.flush()
        return await _report_when_stored(gateway.database, request.auth, answer_id, data)
    except SQLAlchemyError as error:
        if isinstance(error, DBAPIError) and not error.connection_invalidated:
            log.warning("feedback_not_stored", error=error)
        raise Unavailable("feedback cannot be stored just now; send it again", retry_after_seconds=2) from error


async def _report_when_stored(
    database: Database, principal: Principal, answer_id: UUID, data: FeedbackCreate
) -> FeedbackRead:
    """A very young answer may still be in the buffer of another process, so an unknown one is asked for again."""
    for _ in range(RETRIES):
        try:
            return await asyncio.to_thread(_report, database, principal, answer_id, data)
        except NotFound:
            if not -YOUNG_SECONDS < time.time() - _made_at(answer_id) < YOUNG_SECONDS:
                raise
            await asyncio.sleep(RETRY_SECONDS)
    return await asyncio.to_thread(_report, database, principal, answer_id, data)


def _report(database: Database, principal: Principal, answer_id: UUID, data: FeedbackCreate) -> FeedbackRead:
    with database.unit(principal.agency_id, client_id=principal.client_id) as session:
        found = report_feedback(
            session,
            answer_id=answer_id,
            kind=data.kind,
            rating=data.rating,
            correction=data.correction,
            comment=data.comment,
            reporter=data.reporter,
        )
        return FeedbackRead.of(found)


def _made_at(answer_id: UUID) -> float:
    """Seconds since 1970 from a UUIDv7."""
    return (answer_id.int >> 80) / 1000
