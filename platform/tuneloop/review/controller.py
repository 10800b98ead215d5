"""HTTP: the review queue."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from tuneloop.kit.clock import now
from tuneloop.kit.errors import NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import find_model
from tuneloop.review.labels import agreement, pace, queue_counts, waiting
from tuneloop.review.queue import budget_of, fill, next_item, settle, skip, submit_label, undo
from tuneloop.review.reading import read_item, read_settled
from tuneloop.review.schemas import (
    AgreementRead,
    AnswerRequest,
    FilledRead,
    FillRequest,
    NextRead,
    QueueCountRead,
    QueueRead,
    SettledRead,
    SettleRequest,
)
from tuneloop.tables import ReviewItem, ReviewPurpose, Role

WEEK = timedelta(days=7)


class ReviewController(Controller):
    path = "/api/v1"
    tags = ("review",)

    @get("/models/{client:str}/{model:str}/review", role=Role.VIEWER, sync_to_thread=True)
    def queue(self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]) -> QueueRead:
        """What waits in the queue, how fast it is labelled and how far labellers agree."""
        found = find_model(session, client=client, model=model)
        speed = pace(session, found, since=now() - WEEK)
        twice = agreement(session, found)
        return QueueRead(
            counts=[QueueCountRead.model_validate(each) for each in queue_counts(session, found)],
            waiting=waiting(session, ReviewItem.model_id == found.id),
            labels=speed.labels,
            median_seconds=speed.median_seconds,
            agreement=AgreementRead.model_validate(twice) if twice else None,
        )

    @post("/models/{client:str}/{model:str}/review/fill", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def fill_queue(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[FillRequest],
    ) -> FilledRead:
        """Put answers of production into the queue: half at random, the rest where a label teaches most."""
        found = find_model(session, client=client, model=model)
        return FilledRead.model_validate(fill(session, found, data.budget or budget_of(found)))

    @post("/models/{client:str}/{model:str}/review/next", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def next(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        purpose: Annotated[ReviewPurpose | None, QueryParameter()] = None,
    ) -> NextRead:
        """Take the next item; it is held for you for ten minutes."""
        found = find_model(session, client=client, model=model)
        item = next_item(session, principal=principal, model=found, purposes=[purpose] if purpose else ())
        return NextRead(
            item=read_item(session, item) if item else None,
            waiting=waiting(session, ReviewItem.model_id == found.id),
        )

    @get("/review/{item_id:uuid}", role=Role.VIEWER, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession], item_id: FromPath[UUID]) -> SettledRead:
        """An item and, once it is settled, who said what."""
        item = session.get(ReviewItem, item_id)
        if item is None:
            raise NotFound("review item", item_id)
        return read_settled(session, item)

    @post("/review/{item_id:uuid}/label", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def label(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        item_id: FromPath[UUID],
        data: JSONBody[AnswerRequest],
    ) -> SettledRead:
        """Say what the right answer is."""
        item = submit_label(session, principal=principal, item_id=item_id, **data.model_dump())
        return read_settled(session, item)

    @post("/review/{item_id:uuid}/skip", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def skip_item(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        item_id: FromPath[UUID],
    ) -> SettledRead:
        """Leave an item out: it can't be answered, or a proposal is not worth learning."""
        return read_settled(session, skip(session, principal=principal, item_id=item_id))

    @post("/review/{item_id:uuid}/undo", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def undo_label(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        item_id: FromPath[UUID],
    ) -> SettledRead:
        """Take your label or skip back, within an hour."""
        return read_settled(session, undo(session, principal=principal, item_id=item_id))

    @post("/review/{item_id:uuid}/settle", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def settle_item(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        item_id: FromPath[UUID],
        data: JSONBody[SettleRequest],
    ) -> SettledRead:
        """End a dispute by an admin's word."""
        item = settle(session, principal=principal, item_id=item_id, expected=data.expected, category=data.category)
        return read_settled(session, item)
