"""The operations of Stripe's API that the sandbox models; importing this package registers them."""

from tuneloop_billing.sandbox.api import (
    accounts,
    catalog,
    customers,
    invoices,
    meters,
    schedules,
    sessions,
    subscriptions,
)

__all__ = ["accounts", "catalog", "customers", "invoices", "meters", "schedules", "sessions", "subscriptions"]
