"""Jobs: rows in PostgreSQL are the truth, the broker only notifies workers of them."""

from tuneloop.kit.jobs.duties import Duty, perform
from tuneloop.kit.jobs.hold import is_held
from tuneloop.kit.jobs.job import Job, Queue, UnreadableJob
from tuneloop.kit.jobs.lease import (
    Claim,
    LostLease,
    beat,
    cancel,
    claim,
    claim_next,
    fail,
    fence,
    finish,
    put_off,
    release,
    wait,
)
from tuneloop.kit.jobs.relay import LOST_JOBS, enqueue, enqueue_once, hurry, is_planned, notify_due
from tuneloop.kit.jobs.table import JobHold, JobRow, JobState

__all__ = [
    "LOST_JOBS",
    "Claim",
    "Duty",
    "Job",
    "JobHold",
    "JobRow",
    "JobState",
    "LostLease",
    "Queue",
    "UnreadableJob",
    "beat",
    "cancel",
    "claim",
    "claim_next",
    "enqueue",
    "enqueue_once",
    "fail",
    "fence",
    "finish",
    "hurry",
    "is_held",
    "is_planned",
    "notify_due",
    "perform",
    "put_off",
    "release",
    "wait",
]
