"""Every controller of billing."""

from tuneloop_billing.plans.controller import PlanController
from tuneloop_billing.subscriptions.controller import OfferController, SubscriptionController

BILLING = (PlanController, SubscriptionController, OfferController)
