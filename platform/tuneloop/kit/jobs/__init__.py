"""Jobs: rows in PostgreSQL are the truth, the broker is only a doorbell."""

from tuneloop.kit.jobs.job import Job, Queue
from tuneloop.kit.jobs.lease import Claim, LostLease, beat, cancel, claim, fail, fence, finish, hand_back
from tuneloop.kit.jobs.relay import enqueue, hurry, is_planned, ring_due, sweep
from tuneloop.kit.jobs.table import JobRow, JobState

__all__ = [
    "Claim",
    "Job",
    "JobRow",
    "JobState",
    "LostLease",
    "Queue",
    "beat",
    "cancel",
    "claim",
    "enqueue",
    "fail",
    "fence",
    "finish",
    "hand_back",
    "hurry",
    "is_planned",
    "ring_due",
    "sweep",
]
