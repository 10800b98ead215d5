"""Every controller of billing."""

from tuneloop_billing.accounts.controller import BillingController, PaymentLinkController
from tuneloop_billing.economics.controller import EconomicsController
from tuneloop_billing.plans.controller import PlanController
from tuneloop_billing.subscriptions.controller import OfferController, SubscriptionController
from tuneloop_billing.usage.controller import CreditController, UsageController, WorkController, WorkEntryController
from tuneloop_billing.webhooks.controller import WebhookController

BILLING = (
    PlanController,
    SubscriptionController,
    OfferController,
    BillingController,
    PaymentLinkController,
    WorkController,
    WorkEntryController,
    UsageController,
    CreditController,
    EconomicsController,
    WebhookController,
)
