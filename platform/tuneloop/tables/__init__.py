"""Every table of the product, in one metadata. Importing this package loads them all."""

from tuneloop.kit.jobs.table import JobRow, JobState
from tuneloop.tables.agency import Agency, Client, Domain, Membership, Plan, Role, User
from tuneloop.tables.audit import ActorKind, AuditEvent
from tuneloop.tables.datasets import Example, Pool, Snapshot, SnapshotItem, Source
from tuneloop.tables.evals import Comparison, EvalAnswer, EvalRun
from tuneloop.tables.identity import ApiKey, WebSession
from tuneloop.tables.monitoring import Alert, AlertState, Monitor, Reading
from tuneloop.tables.predictions import Feedback, FeedbackKind, FeedbackState, Prediction
from tuneloop.tables.registry import AdapterVersion, Alias, BaseModel, RegisteredModel, VersionAlias
from tuneloop.tables.retraining import Approval, ApprovalKind, CycleState, Decision, RetrainingCycle, Trigger

__all__ = [
    "ActorKind",
    "AdapterVersion",
    "Agency",
    "Alert",
    "AlertState",
    "Alias",
    "ApiKey",
    "Approval",
    "ApprovalKind",
    "AuditEvent",
    "BaseModel",
    "Client",
    "Comparison",
    "CycleState",
    "Decision",
    "Domain",
    "EvalAnswer",
    "EvalRun",
    "Example",
    "Feedback",
    "FeedbackKind",
    "FeedbackState",
    "JobRow",
    "JobState",
    "Membership",
    "Monitor",
    "Plan",
    "Pool",
    "Prediction",
    "Reading",
    "RegisteredModel",
    "RetrainingCycle",
    "Role",
    "Snapshot",
    "SnapshotItem",
    "Source",
    "Trigger",
    "User",
    "VersionAlias",
    "WebSession",
]
