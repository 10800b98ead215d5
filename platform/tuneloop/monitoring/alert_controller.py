"""HTTP: alerts, what happened to them, and what people decide about them."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alerts import alerts_of, dismiss, events_of, find_alert, resolve, snooze
from tuneloop.monitoring.schemas import AlertEventRead, AlertRead, Reason, Snooze
from tuneloop.registry.service import find_model
from tuneloop.tables import Role


class AlertController(Controller):
    path = "/api/v1"
    tags = ("alerts",)

    @get("/models/{client:str}/{model:str}/alerts", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def alerts(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[AlertRead]:
        """Alerts of a model, newest first."""
        found = find_model(session, client=client, model=model)
        return [AlertRead.model_validate(row) for row in alerts_of(session, found.id)]

    @get("/alerts/{alert_id:uuid}", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def alert(self, session: NamedDependency[TenantSession], alert_id: FromPath[UUID]) -> AlertRead:
        """One alert with its evidence."""
        return AlertRead.model_validate(find_alert(session, alert_id))

    @get("/alerts/{alert_id:uuid}/events", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def events(self, session: NamedDependency[TenantSession], alert_id: FromPath[UUID]) -> list[AlertEventRead]:
        """Everything that happened to an alert, oldest first."""
        alert = find_alert(session, alert_id)
        return [AlertEventRead.model_validate(row) for row in events_of(session, alert.id)]

    @post("/alerts/{alert_id:uuid}/snooze", role=Role.OPERATOR, sync_to_thread=True)
    def snooze_alert(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        alert_id: FromPath[UUID],
        data: JSONBody[Snooze],
    ) -> AlertRead:
        """No reminders until then, unless it gets worse."""
        return AlertRead.model_validate(
            snooze(session, principal=principal, alert_id=alert_id, until=data.until, reason=data.reason)
        )

    @post("/alerts/{alert_id:uuid}/dismiss", role=Role.OPERATOR, sync_to_thread=True)
    def dismiss_alert(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        alert_id: FromPath[UUID],
        data: JSONBody[Reason],
    ) -> AlertRead:
        """It was no problem. Evidence is collected anew from here."""
        return AlertRead.model_validate(dismiss(session, principal=principal, alert_id=alert_id, reason=data.reason))

    @post("/alerts/{alert_id:uuid}/resolve", role=Role.OPERATOR, sync_to_thread=True)
    def resolve_alert(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        alert_id: FromPath[UUID],
        data: JSONBody[Reason],
    ) -> AlertRead:
        """The problem is solved. Evidence is collected anew from here."""
        return AlertRead.model_validate(resolve(session, principal=principal, alert_id=alert_id, reason=data.reason))
