"""HTTP: the agency's connection to Stripe. Stripe is asked between transactions, so handlers open their own."""

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from sqlmodel import col, select

from tuneloop.clients.service import find_client
from tuneloop.identity.principal import Principal
from tuneloop.identity.request import HttpRequest, database_of
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency, BillingAccount, ReconcileFinding, Role
from tuneloop_billing.accounts.schemas import (
    AccountPatch,
    AccountRead,
    ConnectOrder,
    EventRead,
    FindingRead,
    LinkRead,
)
from tuneloop_billing.accounts.service import (
    Change,
    change_account,
    check_can_connect,
    check_key,
    disconnect,
    find_account,
    keep_connected,
    keep_key,
    new_webhook_token,
)
from tuneloop_billing.gateway.protocol import Payer, PaymentGateway
from tuneloop_billing.gateway.stripe_gateway import StripeGateway, address, connect_account, gateway_of, open_sandbox
from tuneloop_billing.subscriptions.service import find_subscription
from tuneloop_billing.sync import payer_of
from tuneloop_billing.webhooks.service import events_of


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
        """Connect to Stripe: by the agency's own key, through the platform, or to the sandbox."""
        settings: Settings = request.app.state.settings
        database = database_of(request)
        with database.unit(principal.agency_id) as session:
            check_can_connect(session, principal=principal)
            name = session.get_one(Agency, principal.agency_id).name
        back = f"{settings.site_url}/billing"
        if data.connect:
            stripe_account, link = connect_account(settings, name=name, back=back)
            with database.unit(principal.agency_id) as session:
                account = keep_connected(session, principal=principal, stripe_account=stripe_account)
            return AccountRead.model_validate(account).model_copy(update={"onboarding_url": link})
        if data.sandbox:
            key = open_sandbox(settings, name=name)
        elif data.secret_key is not None:
            key = check_key(data.secret_key.get_secret_value())
        else:
            raise InvalidInput("give a secret_key, or connect, or sandbox")
        service, token = StripeGateway(key, url=address(settings, key)), new_webhook_token()
        known = service.account()
        endpoint = service.listen(f"{settings.site_url}/webhooks/stripe/{token}")
        with database.unit(principal.agency_id) as session:
            account = keep_key(
                session,
                principal=principal,
                settings=settings,
                key=key,
                stripe_account=known.id,
                token=token,
                endpoint=endpoint,
            )
        return AccountRead.model_validate(account)

    @delete("/connection", role=Role.OWNER, status_code=200, sync_to_thread=True)
    def disconnect(self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]) -> AccountRead:
        """Forget the key. What is at Stripe stays there."""
        return AccountRead.model_validate(disconnect(session, principal=principal))

    @get("/findings", role=Role.ADMIN, sync_to_thread=True)
    def findings(self, session: NamedDependency[TenantSession]) -> list[FindingRead]:
        """What differed between here and Stripe, newest first."""
        query = select(ReconcileFinding).order_by(col(ReconcileFinding.found_at).desc()).limit(200)
        return [FindingRead.model_validate(each) for each in session.exec(query)]

    @get("/events", role=Role.ADMIN, sync_to_thread=True)
    def events(self, session: NamedDependency[TenantSession], limit: FromQuery[int] = 100) -> list[EventRead]:
        """Webhooks of Stripe and what came of them, newest first."""
        return [EventRead.model_validate(each) for each in events_of(session, limit=max(1, min(limit, 1000)))]


class PaymentLinkController(Controller):
    path = "/api/v1/clients/{client:str}"
    tags = ("billing",)

    @post("/card-link", role=Role.OPERATOR, sync_to_thread=True)
    def card_link(self, request: HttpRequest, principal: NamedDependency[Principal], client: FromPath[str]) -> LinkRead:
        """A page of Stripe's where the client leaves a card; the next invoices are charged to it."""
        service, payer, currency = _payer(request, principal, client)
        customer = service.customer(payer)
        back = f"{request.app.state.settings.site_url}/billing/thanks"
        return LinkRead(url=service.card_link(customer, back=back, currency=currency))

    @post("/portal-link", role=Role.OPERATOR, sync_to_thread=True)
    def portal_link(
        self, request: HttpRequest, principal: NamedDependency[Principal], client: FromPath[str]
    ) -> LinkRead:
        """A page of Stripe's where the client sees its invoices, changes its card or cancels."""
        service, payer, _ = _payer(request, principal, client)
        back = f"{request.app.state.settings.site_url}/billing/thanks"
        return LinkRead(url=service.portal_link(service.customer(payer), back=back))


def _payer(request: HttpRequest, principal: Principal, client: str) -> tuple[PaymentGateway, Payer, str]:
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        row = find_client(session, client)
        subscription = find_subscription(session, row)
        account = find_account(session)
        payer = payer_of(session, row)
    if subscription.stripe_customer is None or account is None:
        raise Conflict("the client isn't known to Stripe yet; connect the agency with 'tuneloop billing connect'")
    service = gateway_of(request.app.state.settings, account)
    if service is None:
        raise Conflict("this agency isn't connected to Stripe; run 'tuneloop billing connect'")
    return service, payer, account.currency
