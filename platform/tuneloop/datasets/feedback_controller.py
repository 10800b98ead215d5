"""HTTP: what users said about answers, and what becomes of their corrections."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from tuneloop.datasets.corrections import accept_correction, accept_corrections, dismiss, require_of_model
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.controller import PageSize
from tuneloop.predictions.schemas import (
    Acceptance,
    AcceptedRead,
    BulkAcceptance,
    BulkAccepted,
    FeedbackRead,
    PredictionRead,
    RefusedRead,
    ReportedPage,
    ReportedRead,
)
from tuneloop.predictions.service import list_feedback
from tuneloop.registry.service import find_model
from tuneloop.tables import FeedbackKind, FeedbackState, Role


class FeedbackController(Controller):
    path = "/api/v1/models/{client:str}/{model:str}/feedback"
    tags = ["feedback"]

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        before: FromQuery[UUID | None] = None,
        kind: FromQuery[FeedbackKind | None] = None,
        feedback_state: FromQuery[FeedbackState | None] = None,
        limit: PageSize = 50,
    ) -> ReportedPage:
        """Feedback beside the answers it is about, newest first."""
        found = list_feedback(
            session,
            model_id=find_model(session, client=client, model=model).id,
            limit=limit,
            before=before,
            kind=kind,
            state=feedback_state,
        )
        items = [
            ReportedRead(feedback=FeedbackRead.of(row.feedback), prediction=PredictionRead.of(row.prediction))
            for row in found
        ]
        return ReportedPage(items=items, next=found[-1].feedback.id if len(found) == limit else None)

    @post("/accept", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def accept_many(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[BulkAcceptance],
    ) -> BulkAccepted:
        """Make corrections examples; those that cannot be are named with the reason."""
        outcome = accept_corrections(
            session,
            principal=principal,
            model_id=find_model(session, client=client, model=model).id,
            feedback_ids=data.ids,
            pool=data.pool,
        )
        return BulkAccepted(
            accepted=[
                AcceptedRead(feedback_id=each.feedback_id, example_id=each.example.id, pool=each.example.pool)
                for each in outcome.accepted
            ],
            refused=[RefusedRead(feedback_id=each.feedback_id, reason=each.reason) for each in outcome.refused],
        )

    @post("/{feedback_id:uuid}/accept", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def accept(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        feedback_id: FromPath[UUID],
        data: JSONBody[Acceptance],
    ) -> AcceptedRead:
        """Make one correction an example of a pool."""
        model_id = find_model(session, client=client, model=model).id
        require_of_model(session, model_id=model_id, feedback_id=feedback_id)
        example = accept_correction(session, principal=principal, feedback_id=feedback_id, pool=data.pool)
        return AcceptedRead(feedback_id=feedback_id, example_id=example.id, pool=example.pool)

    @post("/{feedback_id:uuid}/dismiss", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def dismiss_feedback(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        feedback_id: FromPath[UUID],
    ) -> FeedbackRead:
        """Close feedback without consequence."""
        model_id = find_model(session, client=client, model=model).id
        require_of_model(session, model_id=model_id, feedback_id=feedback_id)
        return FeedbackRead.of(dismiss(session, principal=principal, feedback_id=feedback_id))
