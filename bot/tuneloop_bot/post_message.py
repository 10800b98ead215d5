"""Bring a message in Slack to what it should show: post it once, edit it from then on, lose none."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlmodel import Session, col, select

from tuneloop.charts import draw
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.tables import SlackInstallation, SlackMessage
from tuneloop_bot.blocks.content import MessageContent
from tuneloop_bot.delivery_problems import raise_channel, raise_workspace, settle_delivery
from tuneloop_bot.fallback import NO_PERSON, Confidants, confidants_of, mail_instead, reachable
from tuneloop_bot.jobs import DeliverMessage
from tuneloop_bot.message_subjects import MessageSubject, content_of_message
from tuneloop_bot.pending_approvals import AlertCall, PendingApproval, call_about, question_of
from tuneloop_bot.web_api import GONE, NO_PLACE, Calls, Later, Refusal

log = structlog.get_logger(__name__)

EDIT_PAUSE = timedelta(seconds=3)
LONGEST_WAIT = 300.0
EVENT_TYPE = "tuneloop_message"
LOOK_BACK = 50


@dataclass(frozen=True)
class Sending:
    message: SlackMessage
    installation: SlackInstallation
    content: MessageContent
    thread: str | None
    tried_before: bool
    confidants: Confidants


class NobodyThere(Exception):
    """No channel takes the message, and nobody of the agency can be reached in the workspace."""


@dataclass(frozen=True)
class Sent:
    channel: str
    ts: str
    images: dict[str, str]


def deliver(context: JobContext, message_id: UUID) -> None:
    sending = _begin(context, message_id)
    if sending is None:
        return
    calls = Calls(context.settings, sending.installation)
    try:
        sent = _send(calls, sending)
    except Later as later:
        _put_off(context, message_id, str(later), later.seconds)
    except Refusal as refusal:
        _refused(context, sending, refusal)
    except NobodyThere:
        _give_up(context, sending, None)
    else:
        _finish(context, sending, sent)


def due(session: Session) -> list[SlackMessage]:
    """Messages that do not show what they should, and may be sent now."""
    query = select(SlackMessage).where(
        col(SlackMessage.wanted).is_distinct_from(col(SlackMessage.sent)), col(SlackMessage.not_before) <= now()
    )
    return list(session.exec(query.order_by(col(SlackMessage.not_before)).limit(200)))


def send_soon(session: Session, message: SlackMessage) -> None:
    """Enqueue a message; once is enough however often it changes before it is sent."""
    delay = max(timedelta(), message.not_before - now())
    key = f"{DeliverMessage.name}:{message.id}"
    enqueue(session, DeliverMessage(message_id=message.id), agency_id=message.agency_id, dedupe_key=key, delay=delay)


def _begin(context: JobContext, message_id: UUID) -> Sending | None:
    with context.unit() as session:
        message = session.get(SlackMessage, message_id, with_for_update=True)
        if message is None or message.wanted == message.sent or message.not_before > now():
            return None
        installation = session.get_one(SlackInstallation, message.installation_id)
        content = content_of_message(session, message, context.settings)
        if content is None or installation.removed_at is not None:
            message.sent = message.wanted
            session.add(message)
            return None
        tried = message.attempted_at is not None
        message.wanted, message.attempted_at = content.digest, message.attempted_at or now()
        message.answers = [str(each) for each in content.answers]
        session.add(message)
        thread = _thread(session, message)
        return Sending(message, installation, content, thread, tried, confidants_of(session, installation))


def _thread(session: Session, message: SlackMessage) -> str | None:
    """What calls people is a reply to the message that it is about, where that stands in the same channel."""
    if message.subject_kind == MessageSubject.REMINDER:
        about: PendingApproval | AlertCall | None = question_of(session, message.subject_id)
    elif message.subject_kind == MessageSubject.AGAIN:
        about = call_about(session, message.subject_id)
    else:
        return None
    if about is None or about.posted is None or about.posted[0] != message.channel:
        return None
    return about.posted[1]


def _send(calls: Calls, sending: Sending) -> Sent:
    message, content = sending.message, sending.content
    images = dict(message.images)
    file = _picture(calls, content, images)
    body: dict[str, Any] = {"text": content.text, "blocks": content.with_picture(file), "mrkdwn": False}
    body["metadata"] = {"event_type": EVENT_TYPE, "event_payload": {"message": str(message.id)}}
    if message.ts is None and sending.tried_before and not message.channel.startswith("U"):
        found = _find(calls, message)
        if found is not None:
            message.posted_in, message.ts = message.channel, found
    if message.ts is not None:
        body.pop("mrkdwn")
        calls.call("chat.update", channel=message.posted_in, ts=message.ts, **body)
        return Sent(message.posted_in or message.channel, message.ts, images)
    if sending.thread is not None:
        body["thread_ts"] = sending.thread
    if not message.channel.startswith("U"):
        answer = _post(calls, message.channel, body)
        return Sent(answer["channel"], answer["ts"], images)
    body.pop("thread_ts", None)
    for person in reachable(calls, sending.confidants):
        try:
            answer = _post(calls, person, body)
        except Refusal as refusal:
            if refusal.code not in NO_PERSON | NO_PLACE:
                raise
        else:
            return Sent(answer["channel"], answer["ts"], images)
    raise NobodyThere


def _post(calls: Calls, place: str, body: dict[str, Any]) -> dict[str, Any]:
    return calls.call("chat.postMessage", channel=place, unfurl_links=False, unfurl_media=False, **body)


def _picture(calls: Calls, content: MessageContent, images: dict[str, str]) -> str | None:
    """The uploaded picture; a message goes without one rather than not at all."""
    if content.picture is None:
        return None
    key = content.picture.digest
    if key in images:
        return images[key]
    png = draw.png(content.picture.spec)
    try:
        images[key] = calls.upload(png, name="chart.png", title=content.picture.title)
    except Refusal as refusal:
        log.warning("slack_picture_refused", error=refusal.code)
        return None
    return images[key]


def _find(calls: Calls, message: SlackMessage) -> str | None:
    """A first sending of unknown outcome: is the message there?"""
    oldest = f"{message.created_at.timestamp():.6f}"
    try:
        answer = calls.ask(
            "conversations.history",
            channel=message.channel,
            oldest=oldest,
            limit=LOOK_BACK,
            include_all_metadata="true",
        )
    except Refusal:
        return None
    for each in answer["messages"]:
        if (each.get("metadata") or {}).get("event_payload", {}).get("message") == str(message.id):
            return str(each["ts"])
    return None


def _finish(context: JobContext, sending: Sending, sent: Sent) -> None:
    with context.unit() as session:
        message = session.get_one(SlackMessage, sending.message.id, with_for_update=True)
        message.posted_in, message.ts, message.images = sent.channel, sent.ts, sent.images
        message.sent, message.failures, message.error = sending.content.digest, 0, None
        message.not_before = now() + EDIT_PAUSE
        session.add(message)
        settle_delivery(session, f"workspace:{sending.installation.id}", f"channel:{sending.message.channel}")


def _put_off(context: JobContext, message_id: UUID, reason: str, seconds: float | None) -> None:
    with context.unit() as session:
        message = session.get_one(SlackMessage, message_id, with_for_update=True)
        message.failures += 1
        wait = seconds if seconds is not None else min(LONGEST_WAIT, 2.0**message.failures)
        message.not_before, message.error = now() + timedelta(seconds=wait), reason[:500]
        session.add(message)
    log.info("slack_message_put_off", message=str(message_id), seconds=wait, reason=reason)


def _refused(context: JobContext, sending: Sending, refusal: Refusal) -> None:
    """A channel that is gone: an active owner or admin gets it. A message that was deleted: post it anew. Else the
    owners get mail, and it is said.
    """
    if refusal.code in GONE:
        _give_up(context, sending, refusal)
        return
    with context.unit() as session:
        message = session.get_one(SlackMessage, sending.message.id, with_for_update=True)
        message.error = f"{refusal.code} {refusal.detail}"[:500]
        message.failures += 1
        if refusal.code == "token_expired":
            message.not_before = now() + timedelta(seconds=5)
        elif refusal.code in NO_PLACE and not message.channel.startswith("U"):
            raise_channel(session, message.channel, refusal.code)
            message.channel, message.ts, message.posted_in = sending.installation.installer, None, None
        elif refusal.code == "message_not_found" and message.ts is not None:
            message.ts = message.posted_in = message.attempted_at = None
        elif refusal.code == "invalid_blocks" and sending.content.picture is not None and message.failures <= 2:
            message.images, message.not_before = {}, now() + timedelta(seconds=2)
        else:
            _mail(session, context, sending, message, refusal)
        session.add(message)
    message_id = sending.message.id
    log.error("slack_message_refused", message=str(message_id), error=refusal.code)


def _give_up(context: JobContext, sending: Sending, refusal: Refusal | None) -> None:
    with context.unit() as session:
        message = session.get_one(SlackMessage, sending.message.id, with_for_update=True)
        message.error = refusal.code if refusal else "nobody is there"
        message.failures += 1
        _mail(session, context, sending, message, refusal)
        session.add(message)
    message_id = sending.message.id
    log.warning("slack_message_mailed", message=str(message_id), error=refusal.code if refusal else None)


def _mail(
    session: Session, context: JobContext, sending: Sending, message: SlackMessage, refusal: Refusal | None
) -> None:
    """What was never seen in Slack goes by mail; an edit of what was is not worth one."""
    message.sent = message.wanted
    raise_workspace(session, sending.installation, refusal.code if refusal else None)
    if message.ts is None:
        mail_instead(session, context.settings, message, sending.content)
