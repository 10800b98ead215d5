"""All pages under one router, with the dependencies that they share."""

from collections.abc import Sequence

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from tuneloop.identity.request import known_visitor
from tuneloop.web.console.assets import asset
from tuneloop.web.console.brand import colours
from tuneloop.web.console.dependencies import provide_form, provide_session, provide_visitor
from tuneloop.web.console.pages.ab_tests import AbTestPage
from tuneloop.web.console.pages.account import AccountPage
from tuneloop.web.console.pages.alerts import AlertPage
from tuneloop.web.console.pages.audit_and_jobs import AuditPage, JobsPage
from tuneloop.web.console.pages.bases import BasesPage
from tuneloop.web.console.pages.beginning import NewClientPage, NewModelPage
from tuneloop.web.console.pages.billing import BillingPage, ClientBillingPage
from tuneloop.web.console.pages.connect import ConnectPage
from tuneloop.web.console.pages.correction import CorrectionPage
from tuneloop.web.console.pages.cycles import CyclePage
from tuneloop.web.console.pages.data import DataPage
from tuneloop.web.console.pages.economics import EconomicsPage
from tuneloop.web.console.pages.external import ExternalPage
from tuneloop.web.console.pages.imports import ImportPage
from tuneloop.web.console.pages.joining import InvitationPage, PasswordPage
from tuneloop.web.console.pages.links import AnswerPage, SlackLinkPage
from tuneloop.web.console.pages.logs import LogPage
from tuneloop.web.console.pages.migration import MigrationPage
from tuneloop.web.console.pages.models import ModelPage
from tuneloop.web.console.pages.people import KeysPage, MembersPage
from tuneloop.web.console.pages.plans import PlansPage
from tuneloop.web.console.pages.portfolio import PortfolioPage
from tuneloop.web.console.pages.privacy import PrivacyPage
from tuneloop.web.console.pages.prompts import PromptPage
from tuneloop.web.console.pages.provider import ProviderPage, ProviderSignInPage
from tuneloop.web.console.pages.reports import ReportPages
from tuneloop.web.console.pages.review import ReviewPage
from tuneloop.web.console.pages.schedules import SchedulePage
from tuneloop.web.console.pages.second_factor import SecondFactorPage
from tuneloop.web.console.pages.senders import SenderPage
from tuneloop.web.console.pages.set_up import SetUpPage
from tuneloop.web.console.pages.shadow_tests import ShadowTestPage
from tuneloop.web.console.pages.sign_in import SignInPage
from tuneloop.web.console.pages.slack import SlackPage
from tuneloop.web.console.pages.unsubscribe import UnsubscribePage

PAGES: Sequence[ControllerRouterHandler] = (
    SignInPage,
    SetUpPage,
    ProviderSignInPage,
    ProviderPage,
    InvitationPage,
    PasswordPage,
    AccountPage,
    SecondFactorPage,
    PortfolioPage,
    NewClientPage,
    NewModelPage,
    ModelPage,
    ExternalPage,
    MigrationPage,
    ConnectPage,
    AlertPage,
    CyclePage,
    AbTestPage,
    ShadowTestPage,
    PromptPage,
    ReviewPage,
    MembersPage,
    KeysPage,
    AuditPage,
    JobsPage,
    PrivacyPage,
    SchedulePage,
    BasesPage,
    ReportPages,
    SenderPage,
    DataPage,
    ImportPage,
    LogPage,
    CorrectionPage,
    PlansPage,
    EconomicsPage,
    BillingPage,
    ClientBillingPage,
    UnsubscribePage,
    AnswerPage,
    SlackLinkPage,
    SlackPage,
)


def console_router() -> Router:
    return Router(
        "/",
        route_handlers=[asset, colours, *PAGES],
        dependencies={
            "form": Provide(provide_form),
            "principal": Provide(provide_visitor),
            "session": Provide(provide_session),
        },
        guards=[known_visitor],
        include_in_schema=False,
    )
