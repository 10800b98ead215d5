"""HTTP: how the models are doing."""

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.health import ModelHealth, model_health
from tuneloop.monitoring.history import History, history
from tuneloop.monitoring.portfolio import PortfolioRow, portfolio
from tuneloop.registry.service import find_model
from tuneloop.tables import Role


class HealthController(Controller):
    path = "/api/v1"
    tags = ("monitoring",)

    @get("/portfolio", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def portfolio(self, session: NamedDependency[TenantSession]) -> list[PortfolioRow]:
        """Every model you may see, the most urgent first."""
        return portfolio(session)

    @get("/models/{client:str}/{model:str}/health", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def health(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> ModelHealth:
        """State, accuracy, sensitivity, open alerts and what is due next."""
        return model_health(session, find_model(session, client=client, model=model))

    @get("/models/{client:str}/{model:str}/history", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def history(self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]) -> History:
        """Accuracy, categories, confidence and reports over the last year, with deployments and alerts."""
        return history(session, find_model(session, client=client, model=model))
