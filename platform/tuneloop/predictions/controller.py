"""HTTP: the production log."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.completion_ids import completion_id, prediction_id
from tuneloop.predictions.schemas import (
    PredictionPage,
    PredictionRead,
)
from tuneloop.predictions.service import find_prediction, list_predictions
from tuneloop.registry.service import find_model
from tuneloop.tables import Role

PageSize = Annotated[int, QueryParameter(ge=1, le=500)]
Confidence = Annotated[float | None, QueryParameter(ge=0, le=1)]


class PredictionController(Controller):
    path = "/api/v1/models/{client:str}/{model:str}/predictions"
    tags = ["predictions"]

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        before: FromQuery[str | None] = None,
        confidence_below: Confidence = None,
        limit: PageSize = 50,
    ) -> PredictionPage:
        """Answers of a model, newest first; `confidence_below` keeps the unsure ones."""
        found = list_predictions(
            session,
            model_id=find_model(session, client=client, model=model).id,
            limit=limit,
            before=None if before is None else prediction_id(before),
            confidence_below=confidence_below,
        )
        more = completion_id(found[-1].id) if len(found) == limit else None
        return PredictionPage(items=[PredictionRead.of(row) for row in found], next=more)

    @get("/{completion:str}", role=Role.VIEWER, sync_to_thread=True)
    def read(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        completion: FromPath[str],
    ) -> PredictionRead:
        """One answer by completion id."""
        model_id = find_model(session, client=client, model=model).id
        return PredictionRead.of(find_prediction(session, model_id=model_id, answer_id=prediction_id(completion)))
