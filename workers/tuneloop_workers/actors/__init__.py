"""Handlers of the jobs; importing this package registers them all."""

from tuneloop_workers.actors import comparison, deployment, evaluation, monitoring, training

__all__ = ["comparison", "deployment", "evaluation", "monitoring", "training"]
