"""Jobs of the bot. They run on their own queue: a click must not wait behind an evaluation."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class HandleReceipt(Job):
    """Do what a click, command or event asks for, and answer it."""

    name: ClassVar[str] = "slack.handle"
    title: ClassVar[str] = "Answer in Slack"
    queue: ClassVar[Queue] = Queue.CHAT
    time_limit_seconds: ClassVar[int] = 60

    receipt_id: UUID


class DeliverMessage(Job):
    """Post or edit a message so that it shows what is wanted."""

    name: ClassVar[str] = "slack.deliver"
    title: ClassVar[str] = "Post or update a Slack message"
    queue: ClassVar[Queue] = Queue.CHAT
    time_limit_seconds: ClassVar[int] = 120

    message_id: UUID


class RenewToken(Job):
    """Exchange a workspace's token before it expires."""

    name: ClassVar[str] = "slack.renew"
    title: ClassVar[str] = "Renew the access to Slack"
    queue: ClassVar[Queue] = Queue.CHAT
    time_limit_seconds: ClassVar[int] = 60

    installation_id: UUID
