"""HTTP: how the models are doing."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.clusters import ask_about_cluster, new_clusters
from tuneloop.monitoring.history import history
from tuneloop.monitoring.model_health import model_health
from tuneloop.monitoring.portfolio import portfolio
from tuneloop.monitoring.schemas import Asked, ClusterName, History, ModelHealth, NewCluster, PortfolioRow
from tuneloop.registry.service import find_model
from tuneloop.tables import Role


class HealthController(Controller):
    path = "/api/v1"
    tags = ("monitoring",)

    @get("/portfolio", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def read_portfolio(self, session: NamedDependency[TenantSession]) -> list[PortfolioRow]:
        """Every model you may see, the most urgent first."""
        return portfolio(session)

    @get("/models/{client:str}/{model:str}/health", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def health(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> ModelHealth:
        """State, accuracy, sensitivity, open alerts and what is due next."""
        return model_health(session, find_model(session, client=client, model=model))

    @get("/models/{client:str}/{model:str}/history", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def read_history(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> History:
        """Accuracy, categories, confidence and reports over the last year, with deployments and alerts."""
        return history(session, find_model(session, client=client, model=model))

    @get("/models/{client:str}/{model:str}/clusters", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def clusters(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[NewCluster]:
        """Groups of questions unlike what is known so far, with examples and a proposed name."""
        return new_clusters(session, find_model(session, client=client, model=model))

    @post("/models/{client:str}/{model:str}/clusters/ask", role=Role.OPERATOR, sync_to_thread=True)
    def ask(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[ClusterName],
    ) -> Asked:
        """Put the questions of such a group into the review queue."""
        found = find_model(session, client=client, model=model)
        return Asked(ask_about_cluster(session, principal=principal, model=found, name=data.name))
