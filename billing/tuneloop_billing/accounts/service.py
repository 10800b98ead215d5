"""Connect to Stripe, change the settings, disconnect."""

from secrets import token_urlsafe
from typing import NamedTuple

from sqlmodel import Session, select

from tuneloop.audit.service import record
from tuneloop.clients.months import zone_named
from tuneloop.identity.secrets import token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.tables import BillingAccount, BillingMode, Invoice, Role
from tuneloop_billing.jobs import SyncCatalogue
from tuneloop_billing.payment_provider.protocol import Endpoint


class Change(NamedTuple):
    """None leaves a setting as it is."""

    timezone: str | None = None
    currency: str | None = None
    automatic_tax: bool | None = None
    gpu_hour_cost: int | None = None


def find_account(session: Session) -> BillingAccount | None:
    return session.exec(select(BillingAccount)).one_or_none()


def change_account(session: Session, *, principal: Principal, change: Change) -> BillingAccount:
    """Raises InvalidInput for a time zone that there isn't."""
    principal.require(Role.ADMIN)
    account = find_account(session) or BillingAccount()
    if change.timezone is not None:
        account.timezone = str(zone_named(change.timezone))
    given = {name: value for name, value in change._asdict().items() if value is not None}
    for name in set(given) - {"timezone"}:
        setattr(account, name, given[name])
    account.updated_at = now()
    session.add(account)
    session.flush()
    record(session, principal, "billing.change", "billing", account.id, **given)
    return account


def check_can_connect(session: Session, *, principal: Principal) -> None:
    """Raises Conflict when invoices of another Stripe account would be orphaned."""
    principal.require(Role.OWNER)
    account = find_account(session)
    if account is not None and account.mode is not BillingMode.NONE and session.exec(select(Invoice).limit(1)).first():
        raise Conflict("this agency has invoices at the Stripe account that it is connected to; disconnect that first")


def keep_key(
    session: Session,
    *,
    principal: Principal,
    settings: Settings,
    mode: BillingMode,
    key: str,
    stripe_account: str,
    token: str,
    endpoint: Endpoint,
) -> BillingAccount:
    """Store the agency's own key, sealed, with the secret of the webhook endpoint that was made with it."""
    principal.require(Role.OWNER)
    vault = Vault(settings.secret_key.get_secret_value())
    account = find_account(session) or BillingAccount()
    account.mode, account.stripe_account = mode, stripe_account
    account.webhook_token = token_digest(token)
    account.sealed_key, account.sealed_webhook_secret = vault.seal(key), vault.seal(endpoint.secret)
    return _connected(session, principal, account)


def keep_connected(session: Session, *, principal: Principal, stripe_account: str) -> BillingAccount:
    principal.require(Role.OWNER)
    account = find_account(session) or BillingAccount()
    account.mode, account.stripe_account = BillingMode.CONNECT, stripe_account
    account.sealed_key = account.sealed_webhook_secret = account.webhook_token = None
    return _connected(session, principal, account)


def _connected(session: Session, principal: Principal, account: BillingAccount) -> BillingAccount:
    account.updated_at = now()
    session.add(account)
    session.flush()
    record(
        session,
        principal,
        "billing.connect",
        "billing",
        account.id,
        mode=account.mode,
        stripe_account=account.stripe_account,
    )
    enqueue(
        session,
        SyncCatalogue(agency_id=account.agency_id),
        agency_id=account.agency_id,
        dedupe_key=f"billing.catalogue:{account.agency_id}",
    )
    return account


def disconnect(session: Session, *, principal: Principal) -> BillingAccount:
    """Forget the key. What is at Stripe stays there; plans go on being enforced here."""
    principal.require(Role.OWNER)
    account = find_account(session)
    if account is None or account.mode is BillingMode.NONE:
        raise Conflict("this agency isn't connected to Stripe")
    account.mode, account.sealed_key, account.sealed_webhook_secret = BillingMode.NONE, None, None
    account.stripe_account, account.webhook_token, account.updated_at = None, None, now()
    session.add(account)
    record(session, principal, "billing.disconnect", "billing", account.id)
    return account


def is_live(settings: Settings, account: BillingAccount) -> bool:
    """Whether money moves: with a key of Stripe's test mode none does."""
    if account.mode is BillingMode.NONE:
        return False
    if account.mode is BillingMode.CONNECT:
        key = settings.stripe_platform_key.get_secret_value()
    else:
        key = Vault(settings.secret_key.get_secret_value()).open(account.sealed_key or "")
    return key.startswith(("sk_live_", "rk_live_"))


def new_webhook_token() -> str:
    return token_urlsafe(24)


def webhook_address(settings: Settings, token: str) -> str:
    return f"{settings.site_url}/webhooks/stripe/{token}"


def is_webhook_of(settings: Settings, account: BillingAccount, url: str) -> bool:
    """Whether webhooks at this address are this account's: only Stripe knows the address, we know its hash."""
    token = url.removeprefix(webhook_address(settings, ""))
    return token != url and token_digest(token) == account.webhook_token


def check_key(key: str) -> str:
    """Raises InvalidInput unless it looks like a secret or restricted key of Stripe."""
    key = key.strip()
    if not key.startswith(("sk_live_", "sk_test_", "rk_live_", "rk_test_")):
        raise InvalidInput("that is not a Stripe secret key; those begin with sk_live_, sk_test_, rk_live_ or rk_test_")
    return key
