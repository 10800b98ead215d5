"""What the API and the pages do alike with Stripe between transactions: connect, and make links for a client."""

from tuneloop.clients.service import find_client
from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.errors import Conflict
from tuneloop.kit.principal import Principal
from tuneloop.tables import Agency, BillingAccount, BillingMode
from tuneloop_billing.accounts.service import (
    check_can_connect,
    check_key,
    find_account,
    keep_connected,
    keep_key,
    new_webhook_token,
    webhook_address,
)
from tuneloop_billing.payment_provider.protocol import Payer, PaymentGateway
from tuneloop_billing.payment_provider.stripe_gateway import (
    StripeGateway,
    address,
    connect_account,
    gateway_of,
    open_emulator,
)
from tuneloop_billing.stripe_sync import payer_of
from tuneloop_billing.subscriptions.service import find_subscription


def connect_emulator(request: HttpRequest, principal: Principal) -> BillingAccount:
    """An account of its own at the local Stripe."""
    name = _may_connect(request, principal)
    key = open_emulator(settings_of(request), name=name)
    return connect_with_key(request, principal, key, mode=BillingMode.STAND_IN)


def connect_with_key(
    request: HttpRequest, principal: Principal, key: str, *, mode: BillingMode = BillingMode.OWN_KEY
) -> BillingAccount:
    """The agency's own account, at Stripe or its stand-in by the `mode`, and a webhook endpoint there that leads to us.

    Raises:
        InvalidInput: not a secret key. PaymentRefused: Stripe doesn't know it. Conflict: connected with invoices.
    """
    key, settings = check_key(key), settings_of(request)
    _may_connect(request, principal)
    service, token = StripeGateway(key, url=address(settings, mode)), new_webhook_token()
    known = service.account()
    endpoint = service.listen(webhook_address(settings, token))
    with database_of(request).unit(principal.agency_id) as session:
        return keep_key(
            session,
            principal=principal,
            settings=settings,
            mode=mode,
            key=key,
            stripe_account=known.id,
            token=token,
            endpoint=endpoint,
        )


def connect_through_platform(request: HttpRequest, principal: Principal) -> tuple[BillingAccount, str]:
    """A new account connected to our platform, and the link under which its owner sets it up."""
    name, settings = _may_connect(request, principal), settings_of(request)
    stripe_account, link = connect_account(settings, name=name, back=f"{settings.site_url}/billing")
    with database_of(request).unit(principal.agency_id) as session:
        return keep_connected(session, principal=principal, stripe_account=stripe_account), link


def card_link(request: HttpRequest, principal: Principal, client: str) -> str:
    service, payer, currency = _payer(request, principal, client)
    return service.card_link(payer, back=_thanks(request, principal), currency=currency)


def portal_link(request: HttpRequest, principal: Principal, client: str) -> str:
    service, payer, _ = _payer(request, principal, client)
    return service.portal_link(service.customer(payer), back=_thanks(request, principal))


def _thanks(request: HttpRequest, principal: Principal) -> str:
    """A page that has the agency's colours."""
    with database_of(request).unit(principal.agency_id) as session:
        slug = session.get_one(Agency, principal.agency_id).slug
    return f"{settings_of(request).site_url}/billing/thanks?agency={slug}"


def _may_connect(request: HttpRequest, principal: Principal) -> str:
    with database_of(request).unit(principal.agency_id) as session:
        check_can_connect(session, principal=principal)
        return session.get_one(Agency, principal.agency_id).name


def _payer(request: HttpRequest, principal: Principal, client: str) -> tuple[PaymentGateway, Payer, str]:
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        row = find_client(session, client)
        subscription = find_subscription(session, row)
        account = find_account(session)
        payer = payer_of(session, row)
    if subscription.stripe_customer is None or account is None:
        raise Conflict("the client isn't known to Stripe yet; connect the agency with 'tuneloop billing connect'")
    service = gateway_of(settings_of(request), account)
    if service is None:
        raise Conflict("this agency isn't connected to Stripe; run 'tuneloop billing connect'")
    return service, payer, account.currency
