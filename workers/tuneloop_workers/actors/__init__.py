"""Handlers of the jobs; importing this package registers them all."""

from tuneloop_workers.actors import (
    billing,
    canary,
    comparison,
    deployment,
    disagreement,
    evaluation,
    mail,
    monitoring,
    quality,
    reports,
    training,
)

__all__ = [
    "billing",
    "canary",
    "comparison",
    "deployment",
    "disagreement",
    "evaluation",
    "mail",
    "monitoring",
    "quality",
    "reports",
    "training",
]
