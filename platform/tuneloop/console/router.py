"""All pages under one router, with the dependencies that they share."""

from collections.abc import Sequence

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from tuneloop.console.assets import asset
from tuneloop.console.pages.ab_tests import AbTestPage
from tuneloop.console.pages.alerts import AlertPage
from tuneloop.console.pages.billing import BillingPage, ClientBillingPage
from tuneloop.console.pages.correction import CorrectionPage
from tuneloop.console.pages.cycles import CyclePage
from tuneloop.console.pages.data import DataPage
from tuneloop.console.pages.economics import EconomicsPage
from tuneloop.console.pages.links import AnswerPage, SlackLinkPage
from tuneloop.console.pages.models import ModelPage
from tuneloop.console.pages.people import KeysPage, MembersPage
from tuneloop.console.pages.plans import PlansPage
from tuneloop.console.pages.portfolio import PortfolioPage
from tuneloop.console.pages.prompts import PromptPage
from tuneloop.console.pages.records import AuditPage, JobsPage
from tuneloop.console.pages.reports import ReportPages
from tuneloop.console.pages.review import ReviewPage
from tuneloop.console.pages.schedules import SchedulePage
from tuneloop.console.pages.senders import SenderPage
from tuneloop.console.pages.sign_in import SignInPage
from tuneloop.console.pages.unsubscribe import UnsubscribePage
from tuneloop.console.visitor import provide_form, provide_session, provide_visitor

PAGES: Sequence[ControllerRouterHandler] = (
    SignInPage,
    PortfolioPage,
    ModelPage,
    AlertPage,
    CyclePage,
    AbTestPage,
    PromptPage,
    ReviewPage,
    MembersPage,
    KeysPage,
    AuditPage,
    JobsPage,
    SchedulePage,
    ReportPages,
    SenderPage,
    DataPage,
    CorrectionPage,
    PlansPage,
    EconomicsPage,
    BillingPage,
    ClientBillingPage,
    UnsubscribePage,
    AnswerPage,
    SlackLinkPage,
)


def console_router() -> Router:
    return Router(
        "/",
        route_handlers=[asset, *PAGES],
        dependencies={
            "form": Provide(provide_form),
            "principal": Provide(provide_visitor),
            "session": Provide(provide_session),
        },
        include_in_schema=False,
    )
