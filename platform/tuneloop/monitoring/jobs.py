"""The monitor's jobs."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class ReadMonitor(Job):
    """Take one reading of what a model's production version did since the last one."""

    name: ClassVar[str] = "monitoring.read"
    title: ClassVar[str] = "Read how a model does"

    model_id: UUID


class MeasureSensitivity(Job):
    """Simulate how small a fall would be found at the present number of labels, and at more."""

    name: ClassVar[str] = "monitoring.sensitivity"
    title: ClassVar[str] = "Work out how small a fall would be noticed"
    queue: ClassVar[Queue] = Queue.SLOW

    model_id: UUID


class RunCanary(Job):
    """Let production answer its golden set again: did our own pipeline change?"""

    name: ClassVar[str] = "monitoring.canary"
    title: ClassVar[str] = "Ask the fixed test questions again"
    queue: ClassVar[Queue] = Queue.GPU
    time_limit_seconds: ClassVar[int] = 4 * 3600

    model_id: UUID


class WatchEndpoint(Job):
    """Ask the service behind an external version how long it answers, and whether it does after a problem."""

    name: ClassVar[str] = "monitoring.endpoint"
    title: ClassVar[str] = "Look whether an outside service still answers"

    endpoint_id: UUID


class EvaluateExternal(Job):
    """Let an external version answer the golden set, so that there is something to compare its traffic with."""

    name: ClassVar[str] = "monitoring.external_baseline"
    title: ClassVar[str] = "Test a model that others host"
    queue: ClassVar[Queue] = Queue.SLOW
    time_limit_seconds: ClassVar[int] = 2 * 3600

    version_id: UUID


class SettleTraffic(Job):
    """The answers that a traffic alert asked for are labelled: is the change harmful?"""

    name: ClassVar[str] = "monitoring.settle"
    title: ClassVar[str] = "Judge whether changed requests do harm"

    alert_id: UUID


class ProposeRetrain(Job):
    """Ask for approval of the retrain that the calendar, or an alert, has made due."""

    name: ClassVar[str] = "monitoring.propose_retrain"
    title: ClassVar[str] = "Propose a retrain"

    model_id: UUID
