"""The operations of Stripe's API that the emulator models; importing this package registers them."""

from tuneloop_local.emulators.stripe.api import (
    accounts,
    catalog,
    customers,
    invoices,
    payments,
    schedules,
    sessions,
    subscriptions,
)

__all__ = ["accounts", "catalog", "customers", "invoices", "payments", "schedules", "sessions", "subscriptions"]
