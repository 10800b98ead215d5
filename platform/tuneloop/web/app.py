"""Composition root of the web process."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler
from sqlalchemy.exc import DataError

from tuneloop.ab_tests.controller import AbTestController
from tuneloop.audit.controller import AuditController
from tuneloop.clients.controller import ClientController
from tuneloop.datasets.controller import DatasetController
from tuneloop.datasets.feedback_controller import FeedbackController
from tuneloop.datasets.logs.controller import LogController
from tuneloop.datasets.quality_controller import DataQualityController
from tuneloop.deployment.controller import DeploymentController
from tuneloop.deployment.external_controller import ExternalController
from tuneloop.email.controller import MailController
from tuneloop.erasure.controller import ErasureController, ExportController
from tuneloop.evaluation.controller import PromptController
from tuneloop.founding.controller import ChecklistController
from tuneloop.gateway.app import gateway_handlers, gateway_lifespan
from tuneloop.identity.controller import AccountController, ApiKeyController, MemberController, SessionController
from tuneloop.identity.key_failures import KeyFailures
from tuneloop.identity.password_desk import PasswordDesk
from tuneloop.identity.request import known_caller, provide_principal, provide_session
from tuneloop.kit.db import Database
from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.request_bodies import DEFAULT_BYTES, RequestBodies
from tuneloop.kit.security_headers import security_headers
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.migration.controller import MigrationController
from tuneloop.monitoring.alert_controller import AlertController
from tuneloop.monitoring.controller import MonitoringController
from tuneloop.monitoring.health_controller import HealthController
from tuneloop.monitoring.schedule_controller import ScheduleController
from tuneloop.people.controller import (
    AlertMailController,
    InvitationController,
    PasswordController,
    PasswordResetController,
)
from tuneloop.people.oidc.controller import ProviderController
from tuneloop.people.oidc.desk import provider_line
from tuneloop.people.second_factor_controller import (
    SecondFactorController,
    SecondFactorResetController,
    SignInPolicyController,
)
from tuneloop.predictions.controller import PredictionController
from tuneloop.registry.controller import BaseController, ModelController
from tuneloop.retraining.controller import CycleController, EvalController
from tuneloop.retraining.import_controller import ImportController
from tuneloop.review.controller import ReviewController
from tuneloop.review.next_steps_controller import NextStepController
from tuneloop.review.sources_controller import SourcesController
from tuneloop.shadow_tests.controller import ShadowTestController
from tuneloop.web.console.error_pages import answer_domain, answer_http, answer_other, answer_unstorable
from tuneloop.web.console.router import console_router
from tuneloop.web.jobs_controller import JobController
from tuneloop.web.probes import healthz, metrics, readyz
from tuneloop_billing.controllers import BILLING
from tuneloop_bot.controller import SlackController
from tuneloop_reports.controller import ReportController
from tuneloop_reports.public import PublicReport

API: Sequence[ControllerRouterHandler] = (
    SessionController,
    MemberController,
    AccountController,
    InvitationController,
    PasswordController,
    PasswordResetController,
    AlertMailController,
    SecondFactorController,
    SecondFactorResetController,
    SignInPolicyController,
    ProviderController,
    ApiKeyController,
    AuditController,
    ChecklistController,
    ClientController,
    BaseController,
    ModelController,
    ImportController,
    DatasetController,
    LogController,
    ErasureController,
    ExportController,
    PredictionController,
    FeedbackController,
    MonitoringController,
    HealthController,
    AlertController,
    ReviewController,
    SourcesController,
    DataQualityController,
    ScheduleController,
    EvalController,
    CycleController,
    NextStepController,
    DeploymentController,
    ExternalController,
    MigrationController,
    AbTestController,
    ShadowTestController,
    PromptController,
    JobController,
    SlackController,
    *BILLING,
    MailController,
    ReportController,
)


def application_state(settings: Settings, database: Database, storage: Storage) -> State:
    """What requests find in `app.state`."""
    return State(
        {
            "settings": settings,
            "database": database,
            "storage": storage,
            "password_desk": PasswordDesk(),
            "provider_line": provider_line(),
            "key_failures": KeyFailures(),
        }
    )


def create_app(
    settings: Settings,
    database: Database,
    storage: Storage,
    *,
    lifespan: Sequence[Callable[[Litestar], AbstractAsyncContextManager[None]]] = (gateway_lifespan,),
    more: Sequence[ControllerRouterHandler] = (),
) -> Litestar:
    """The web application: API, pages, gateway, health, and what the composition adds (`more`).

    Raises:
        RuntimeError: a route names neither `role=` nor `public=True`.
    """
    api = Router(
        "/",
        route_handlers=API,
        dependencies={
            "principal": Provide(provide_principal, sync_to_thread=False),
            "session": Provide(provide_session),
        },
        guards=[known_caller],
    )
    app = Litestar(
        route_handlers=[api, console_router(), PublicReport, *gateway_handlers, healthz, readyz, metrics, *more],
        state=application_state(settings, database, storage),
        lifespan=list(lifespan),
        logging_config=None,
        exception_handlers={
            TuneloopError: answer_domain,
            HTTPException: answer_http,
            DataError: answer_unstorable,
            Exception: answer_other,
        },
        openapi_config=OpenAPIConfig(
            title="Tuneloop",
            version="1",
            description="Keeps fine-tuned models accurate. Authenticate with 'Authorization: Bearer tl_…'.",
            components=Components(security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}),
            security=[{"key": []}],
            path="/schema",
            render_plugins=[JsonRenderPlugin(path=["/openapi.json", "/"]), YamlRenderPlugin()],
        ),
        before_send=[security_headers(tls=settings.site_url.startswith("https"))],
        middleware=[RequestBodies(settings.web_body_seconds)],
        request_max_body_size=DEFAULT_BYTES,
    )
    _deny_by_default(app)
    return app


def _deny_by_default(app: Litestar) -> None:
    for route in app.routes:
        handlers: list[BaseRouteHandler] = getattr(route, "route_handlers", None) or [route.route_handler]  # type: ignore[union-attr]
        for handler in handlers:
            known = "role" in handler.opt or "public" in handler.opt
            if not known and not route.path.startswith("/schema") and handler.handler_name != "options_handler":
                raise RuntimeError(f"{route.path} names neither role= nor public=True")
