"""HTTP: a model's migration from the service that hosts it."""

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.migration.reading import show_migration
from tuneloop.migration.schemas import MigrationRead, RecordingWanted
from tuneloop.migration.service import record_answers, stop_recording
from tuneloop.registry.service import find_model
from tuneloop.tables import Role


class MigrationController(Controller):
    path = "/api/v1/models/{client:str}/{model:str}/migration"
    tags = ("models",)

    @get(role=Role.VIEWER, sync_to_thread=True)
    def show(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> MigrationRead:
        """Which steps are done, what comes next, how long the service still answers, and what it saves."""
        return show_migration(session, find_model(session, client=client, model=model))

    @post("/recording", role=Role.OPERATOR, sync_to_thread=True)
    def record(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[RecordingWanted],
    ) -> MigrationRead:
        """Take down what the hosted model answers to the golden set and to a sample of traffic."""
        found = find_model(session, client=client, model=model)
        record_answers(session, principal=principal, model=found, requests=data.requests)
        return show_migration(session, found)

    @post("/recording/stop", role=Role.OPERATOR, status_code=200, sync_to_thread=True)
    def stop(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
    ) -> MigrationRead:
        """Ask the service nothing more; what it has answered stays."""
        found = find_model(session, client=client, model=model)
        stop_recording(session, principal=principal, model=found)
        return show_migration(session, found)
