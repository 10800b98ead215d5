"""Handlers of the jobs; importing this package registers them all."""

from tuneloop_workers.actors import (
    ab_tests,
    billing,
    canary,
    comparison,
    deployment,
    disagreement,
    evaluation,
    mail,
    monitoring,
    quality,
    registering,
    reports,
    training,
)

__all__ = [
    "ab_tests",
    "billing",
    "canary",
    "comparison",
    "deployment",
    "disagreement",
    "evaluation",
    "mail",
    "monitoring",
    "quality",
    "registering",
    "reports",
    "training",
]
