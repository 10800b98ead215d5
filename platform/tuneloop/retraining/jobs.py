"""The jobs of a cycle, one per step."""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class FailCycle(Job):
    """Close a cycle whose step has failed for good."""

    name: ClassVar[str] = "retraining.fail"
    title: ClassVar[str] = "Note that a retrain failed"
    queue: ClassVar[Queue] = Queue.QUICK

    cycle_id: UUID
    attempt: int = 1
    reason: str


class CycleStep(Job):
    """A step of one attempt; that of an earlier one which comes late finds nothing to do."""

    name: ClassVar[str] = "retraining.step"
    title: ClassVar[str] = "A step of a retrain"
    patience: ClassVar[timedelta] = timedelta(days=3)

    cycle_id: UUID
    attempt: int = 1

    def if_dead(self, reason: str) -> Job:
        return FailCycle(cycle_id=self.cycle_id, attempt=self.attempt, reason=reason[:2000])


class TrainCandidate(CycleStep):
    """Train, export, check parity and register the candidate version."""

    name: ClassVar[str] = "retraining.train"
    title: ClassVar[str] = "Train a new version"
    queue: ClassVar[Queue] = Queue.GPU
    time_limit_seconds: ClassVar[int] = 24 * 3600


class ReleaseCandidate(CycleStep):
    """Export, check and register a blend that an earlier attempt trained."""

    name: ClassVar[str] = "retraining.release"
    title: ClassVar[str] = "Build a blend of two versions"
    queue: ClassVar[Queue] = Queue.GPU
    time_limit_seconds: ClassVar[int] = 4 * 3600


class ImportAdapter(CycleStep):
    """Check an adapter that was trained elsewhere against its base, export it, check parity and register it."""

    name: ClassVar[str] = "retraining.import"
    title: ClassVar[str] = "Take over a model trained elsewhere"
    queue: ClassVar[Queue] = Queue.GPU
    time_limit_seconds: ClassVar[int] = 4 * 3600

    config_sha256: str
    weights_sha256: str


class EvaluateCandidate(CycleStep):
    """Evaluate the candidate, and production on the same items."""

    name: ClassVar[str] = "retraining.evaluate"
    title: ClassVar[str] = "Test a new version"
    queue: ClassVar[Queue] = Queue.GPU
    time_limit_seconds: ClassVar[int] = 4 * 3600


class FindDisagreements(CycleStep):
    """Have production and candidate answer recent traffic, and ask people about the answers that differ."""

    name: ClassVar[str] = "retraining.disagree"
    title: ClassVar[str] = "Find answers in which two versions differ"
    queue: ClassVar[Queue] = Queue.GPU
    time_limit_seconds: ClassVar[int] = 8 * 3600


class CompareCandidate(CycleStep):
    """Compare and ask for promotion."""

    name: ClassVar[str] = "retraining.compare"
    title: ClassVar[str] = "Compare a new version with the one in service"


class RejudgeCandidate(Job):
    """Judge a compared candidate again, now that more of its disagreements are labelled."""

    name: ClassVar[str] = "retraining.rejudge"
    title: ClassVar[str] = "Judge a new version again with more labels"

    cycle_id: UUID


class LearnFromGate(Job):
    """Let the labels of an ended cycle's gate train."""

    name: ClassVar[str] = "retraining.learn"
    title: ClassVar[str] = "Let labels of a finished retrain train"

    cycle_id: UUID


class DeployCandidate(CycleStep):
    """Load the candidate on the serving hosts, then move the alias."""

    name: ClassVar[str] = "retraining.deploy"
    title: ClassVar[str] = "Put a version into service"
    queue: ClassVar[Queue] = Queue.QUICK
