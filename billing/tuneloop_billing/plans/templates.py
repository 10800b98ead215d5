"""The three plans that an agency starts from. Prices are the middle of what such a service costs, in US dollars."""

from typing import NamedTuple

from tuneloop.clients.entitlements import Entitlements
from tuneloop.tables import Feature, Plan


class PlanTemplate(NamedTuple):
    """`price` and `extras` are cents."""

    name: str
    price: int
    entitlements: Entitlements
    extras: dict[Feature, int]


def _extras(retrain: int, ab_test: int, new_category: int, label: int) -> dict[Feature, int]:
    return {
        Feature.RETRAIN: retrain,
        Feature.AB_TEST: ab_test,
        Feature.NEW_CATEGORY: new_category,
        Feature.LABELS: label,
        Feature.GPU_MINUTES: 50,
    }


TEMPLATES: dict[Plan, PlanTemplate] = {
    Plan.BASIC: PlanTemplate(
        "Basic monitoring",
        75_000,
        Entitlements(monitoring_every_days=7, labels=60, gpu_minutes=60),
        _extras(90_000, 50_000, 40_000, 150),
    ),
    Plan.STANDARD: PlanTemplate(
        "Standard retrain",
        200_000,
        Entitlements(
            monitoring_every_days=7, retrain_every_days=30, retrains=1, labels=160, gpu_minutes=240, report_style="full"
        ),
        _extras(70_000, 40_000, 30_000, 120),
    ),
    # Every two weeks is three retrains in some months.
    Plan.PREMIUM: PlanTemplate(
        "Premium retrain",
        400_000,
        Entitlements(
            monitoring_every_days=7,
            retrain_every_days=14,
            retrains=3,
            ab_tests=2,
            new_categories=2,
            labels=320,
            gpu_minutes=720,
            quorum=2,
            report_style="full",
        ),
        _extras(60_000, 30_000, 25_000, 100),
    ),
}
