"""HTTP: the agency's connection to Stripe. Stripe is asked between transactions, so handlers open their own."""

from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from sqlmodel import col, select

from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import BillingAccount, ReconcileFinding, Role
from tuneloop_billing.accounts.connect import (
    card_link,
    connect_emulator,
    connect_through_platform,
    connect_with_key,
    portal_link,
)
from tuneloop_billing.accounts.schemas import (
    AccountPatch,
    AccountRead,
    ConnectOrder,
    EventRead,
    PaymentLinkRead,
    ProblemRead,
    ReconcileFindingRead,
)
from tuneloop_billing.accounts.service import Change, change_account, disconnect, find_account
from tuneloop_billing.problems import OpenProblem, dismiss_problem, open_problems
from tuneloop_billing.webhooks.service import events_of


def _problem(each: OpenProblem) -> ProblemRead:
    row = each.problem
    return ProblemRead(
        id=row.id,
        client=each.client.slug,
        kind=row.kind,
        summary=row.summary,
        to_do=row.to_do,
        found_at=row.found_at,
        settled_at=row.settled_at,
        settled_by=row.settled_by,
    )


class BillingController(Controller):
    path = "/api/v1/billing"
    tags = ("billing",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession]) -> AccountRead:
        """How the agency bills."""
        return AccountRead.model_validate(find_account(session) or BillingAccount())

    @patch(role=Role.ADMIN, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[AccountPatch],
    ) -> AccountRead:
        """Change time zone, currency, tax and the cost of a GPU hour."""
        change = Change(**data.model_dump())
        return AccountRead.model_validate(change_account(session, principal=principal, change=change))

    @post("/connection", role=Role.OWNER, sync_to_thread=True)
    def connect(
        self, request: HttpRequest, principal: NamedDependency[Principal], data: JSONBody[ConnectOrder]
    ) -> AccountRead:
        """Connect to Stripe: by the agency's own key, through the platform, or to the emulator."""
        if data.connect:
            account, link = connect_through_platform(request, principal)
            return AccountRead.model_validate(account).model_copy(update={"onboarding_url": link})
        if data.emulator:
            return AccountRead.model_validate(connect_emulator(request, principal))
        if data.secret_key is None:
            raise InvalidInput("give a secret_key, or connect, or emulator")
        key = data.secret_key.get_secret_value()
        return AccountRead.model_validate(connect_with_key(request, principal, key))

    @delete("/connection", role=Role.OWNER, status_code=200, sync_to_thread=True)
    def disconnect_stripe(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]
    ) -> AccountRead:
        """Forget the key. What is at Stripe stays there."""
        return AccountRead.model_validate(disconnect(session, principal=principal))

    @get("/findings", role=Role.ADMIN, sync_to_thread=True)
    def findings(self, session: NamedDependency[TenantSession]) -> list[ReconcileFindingRead]:
        """What differed between here and Stripe, newest first."""
        query = select(ReconcileFinding).order_by(col(ReconcileFinding.found_at).desc()).limit(200)
        return [ReconcileFindingRead.model_validate(each) for each in session.exec(query)]

    @get("/problems", role=Role.ADMIN, sync_to_thread=True)
    def problems(self, session: NamedDependency[TenantSession]) -> list[ProblemRead]:
        """What is the matter with clients' money, and what ends it; oldest first."""
        return [_problem(each) for each in open_problems(session)]

    @post("/problems/{problem_id:uuid}/dismiss", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def dismiss(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        problem_id: FromPath[UUID],
    ) -> ProblemRead:
        """Strike a problem off as known; it isn't raised again."""
        return _problem(dismiss_problem(session, principal=principal, problem_id=problem_id))

    @get("/events", role=Role.ADMIN, sync_to_thread=True)
    def events(self, session: NamedDependency[TenantSession], limit: FromQuery[int] = 100) -> list[EventRead]:
        """Webhooks of Stripe and what came of them, newest first."""
        return [EventRead.model_validate(each) for each in events_of(session, limit=max(1, min(limit, 1000)))]


class PaymentLinkController(Controller):
    path = "/api/v1/clients/{client:str}"
    tags = ("billing",)

    @post("/card-link", role=Role.OPERATOR, sync_to_thread=True)
    def create_card_link(
        self, request: HttpRequest, principal: NamedDependency[Principal], client: FromPath[str]
    ) -> PaymentLinkRead:
        """A page of Stripe's where the client leaves a card; the next invoices are charged to it."""
        return PaymentLinkRead(url=card_link(request, principal, client))

    @post("/portal-link", role=Role.OPERATOR, sync_to_thread=True)
    def create_portal_link(
        self, request: HttpRequest, principal: NamedDependency[Principal], client: FromPath[str]
    ) -> PaymentLinkRead:
        """A page of Stripe's where the client sees its invoices, changes its card or cancels."""
        return PaymentLinkRead(url=portal_link(request, principal, client))
