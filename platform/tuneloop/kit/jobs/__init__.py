"""Jobs: rows in PostgreSQL are the truth, the broker is only a doorbell."""

from tuneloop.kit.jobs.duties import Duty, perform
from tuneloop.kit.jobs.job import Job, Queue, UnreadableJob
from tuneloop.kit.jobs.lease import Claim, LostLease, beat, cancel, claim, fail, fence, finish, hand_back, put_off
from tuneloop.kit.jobs.relay import LOST_JOBS, enqueue, enqueue_once, hurry, is_planned, ring_due
from tuneloop.kit.jobs.table import JobRow, JobState

__all__ = [
    "LOST_JOBS",
    "Claim",
    "Duty",
    "Job",
    "JobRow",
    "JobState",
    "LostLease",
    "Queue",
    "UnreadableJob",
    "beat",
    "cancel",
    "claim",
    "enqueue",
    "enqueue_once",
    "fail",
    "fence",
    "finish",
    "hand_back",
    "hurry",
    "is_planned",
    "perform",
    "put_off",
    "ring_due",
]
