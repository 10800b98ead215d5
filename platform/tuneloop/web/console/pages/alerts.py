"""An alert with its evidence, and what people decide about it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from sqlmodel import select

from tuneloop.identity.request import HttpRequest
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alert_chart import alert_charts
from tuneloop.monitoring.alert_series import series_of
from tuneloop.monitoring.alerts import dismiss, events_of, find_alert, resolve, snooze
from tuneloop.retraining.failed_before import FailedBefore
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import propose
from tuneloop.tables import AdapterVersion, Client, Monitor, RegisteredModel, RetrainingCycle, Role, Trigger
from tuneloop.web.console.again import tried_before
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import required
from tuneloop.web.console.render import page


class AlertPage(Controller):
    path = "/alerts/{alert_id:uuid}"
    include_in_schema = False

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def show(
        self, request: HttpRequest, session: NamedDependency[TenantSession], alert_id: FromPath[UUID]
    ) -> Response[str]:
        alert = find_alert(session, alert_id)
        model = session.get_one(RegisteredModel, alert.model_id)
        monitor = session.get(Monitor, alert.monitor_id) if alert.monitor_id else None
        return page(
            request,
            "alert.html",
            alert=alert,
            model=model,
            client=session.get_one(Client, model.client_id),
            version=session.get_one(AdapterVersion, monitor.version_id) if monitor else None,
            charts=alert_charts(alert, series_of(session, alert)),
            events=events_of(session, alert.id),
            cycles=list(session.exec(select(RetrainingCycle).where(RetrainingCycle.alert_id == alert.id))),
        )

    @post("/snooze", role=Role.OPERATOR, sync_to_thread=True)
    def snooze_alert(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        alert_id: FromPath[UUID],
    ) -> Redirect:
        days = required(form, "days", "how long to be quiet")
        if not days.isascii() or not days.isdigit():
            raise InvalidInput("give the days to be quiet as a whole number", field="days")
        until = now() + timedelta(days=min(int(days), 10_000))
        reason = required(form, "reason", "the reason")
        snooze(session, principal=principal, alert_id=alert_id, until=until, reason=reason)
        return back_to(f"/alerts/{alert_id}", f"Quiet until {until:%-d %B}, unless it gets worse.")

    @post("/dismiss", role=Role.OPERATOR, sync_to_thread=True)
    def dismiss_alert(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        alert_id: FromPath[UUID],
    ) -> Redirect:
        dismiss(session, principal=principal, alert_id=alert_id, reason=required(form, "reason", "the reason"))
        return back_to(f"/alerts/{alert_id}", "Dismissed. Evidence is collected anew from here.")

    @post("/resolve", role=Role.OPERATOR, sync_to_thread=True)
    def resolve_alert(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        alert_id: FromPath[UUID],
    ) -> Redirect:
        resolve(session, principal=principal, alert_id=alert_id, reason=required(form, "reason", "the reason"))
        return back_to(f"/alerts/{alert_id}", "Resolved. Evidence is collected anew from here.")

    @post("/retrain", role=Role.OPERATOR, sync_to_thread=True)
    def retrain(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        alert_id: FromPath[UUID],
    ) -> Response[Any]:
        alert = find_alert(session, alert_id)
        model = session.get_one(RegisteredModel, alert.model_id)
        try:
            cycle = propose(
                session,
                principal=principal,
                model=model,
                recipe=Recipe(),
                trigger=Trigger.ALERT,
                alert_id=alert.id,
                again="again" in form,
            )
        except FailedBefore as refused:
            return tried_before(session, request, refused, model=model)
        return back_to(f"/cycles/{cycle.id}", "Data and recipe are frozen. Training starts once this is approved.")
