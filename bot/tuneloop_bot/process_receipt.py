"""Do what came in from Slack: find out who it is, do it once, tell them."""

import re
from typing import Any
from uuid import UUID

import structlog
from slack_sdk.webhook import WebhookClient
from sqlmodel import Session, select

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotAuthenticated, TuneloopError, Unavailable
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import ActorKind, Role, SlackInstallation, SlackMessage, SlackReceipt
from tuneloop_bot.action_handlers import ACTS, FORMS, ActionContext, correct
from tuneloop_bot.action_ids import DECISIONS, Metadata
from tuneloop_bot.blocks.parts import Block, buttons, link
from tuneloop_bot.commands import instead_of_buttons, run_command
from tuneloop_bot.ephemeral_reply import EphemeralReply
from tuneloop_bot.home import home_view
from tuneloop_bot.identities import link_by_email, new_identity_link, principal_of
from tuneloop_bot.installations import remove_installation
from tuneloop_bot.message_sync import refresh
from tuneloop_bot.payloads import Incoming
from tuneloop_bot.receipts import lock_receipt
from tuneloop_bot.web_api import Calls, Later, Refusal

log = structlog.get_logger(__name__)

REMOVALS = ("app_uninstalled", "tokens_revoked")
ASK_TO_LINK = (
    "I don't know who you are yet. Sign in once through this link (30 minutes, for you alone), then try again."
)
SHOULD_BE = re.compile(r"^\s*(?:(\d)\s*[.:)]?\s*)?should be:?\s+(.+)$", re.IGNORECASE | re.DOTALL)


class TryAgain(Unavailable):
    """Slack is away: the job is repeated, and what was done stays done."""

    code = "slack_away"


def handle(context: JobContext, receipt_id: UUID) -> None:
    with context.unit() as session:
        receipt = session.get_one(SlackReceipt, receipt_id)
        installation = session.get_one(SlackInstallation, receipt.installation_id)
        incoming = Incoming.model_validate(receipt.payload)
        if receipt.handled_at is None and incoming.name in REMOVALS:
            _remove(session, installation)
            receipt.handled_at = receipt.answered_at = now()
            return
        known = receipt.handled_at is not None or _is_known(session, installation, incoming.user)
    if installation.removed_at is not None:
        return
    calls = Calls(context.settings, installation)
    name = ""
    if not known:
        name = _link(context, calls, installation, incoming.user)
    answer = _do_once(context, receipt_id, installation, incoming)
    if answer is not None:
        if answer.get("button_to_link"):
            answer = answer | {"blocks": [*answer["blocks"], *_way_to_link(context, installation, incoming.user, name)]}
        try:
            _tell(calls, incoming, answer)
        except Later as later:
            raise TryAgain(str(later), retry_after_seconds=later.seconds) from later
    if incoming.name == "app_home_opened" or (incoming.kind == "action" and incoming.channel is None):
        _show_home(context, calls, installation, incoming.user, name)
    with context.unit() as session:
        answered = lock_receipt(session, receipt_id)
        # Whoever has the response URL can write in our name.
        answered.payload = answered.payload | {"response_url": None}
        answered.answered_at = now()


def _do_once(
    context: JobContext, receipt_id: UUID, installation: SlackInstallation, incoming: Incoming
) -> dict[str, Any] | None:
    """The outcome is kept with the receipt in the transaction that did it; a repeated job finds it there."""
    with context.unit() as session:
        receipt = lock_receipt(session, receipt_id)
        is_news = receipt.handled_at is None
        if is_news:
            answer = _outcome(session, context, installation, incoming)
            receipt.answer = answer.body() if answer is not None else None
            receipt.handled_at = now()
            session.add(receipt)
        kept = receipt.answer if receipt.answered_at is None else None
    if is_news:
        with context.unit() as session:
            refresh(session, context.settings, at_once=True)
    return kept


def _outcome(
    session: TenantSession, context: JobContext, installation: SlackInstallation, incoming: Incoming
) -> EphemeralReply | None:
    try:
        principal = principal_of(session, installation, incoming.user)
    except NotAuthenticated:
        return EphemeralReply(ASK_TO_LINK, button_to_link=True) if incoming.kind != "event" else None
    except TuneloopError as refused:
        _note_refusal(session, installation, incoming, refused)
        return EphemeralReply(f"Not done: {refused.message}.")
    try:
        with session.begin_nested():
            session.client_id = principal.client_id
            return _done(ActionContext(session, principal, incoming, context.settings, installation))
    except TuneloopError as refused:
        session.client_id = None
        _note_refusal(session, installation, incoming, refused, principal)
        return EphemeralReply(f"Not done: {refused.message}.")
    finally:
        session.client_id = None


def _done(action: ActionContext) -> EphemeralReply | None:
    incoming = action.incoming
    if incoming.kind == "action":
        answer = ACTS[incoming.name](action)
        return instead_of_buttons(action, answer) if incoming.private and incoming.name in DECISIONS else answer
    if incoming.kind == "view":
        return FORMS[incoming.name](action)
    if incoming.kind == "command":
        return run_command(action)
    return _reply(action) if incoming.name == "message" else None


def _reply(action: ActionContext) -> EphemeralReply | None:
    """`should be: …` in the thread of a message that shows answers; other talk is none of our business."""
    correction = SHOULD_BE.match(action.incoming.value)
    if correction is None or action.incoming.thread_ts is None:
        return None
    query = select(SlackMessage).where(
        SlackMessage.posted_in == action.incoming.channel, SlackMessage.ts == action.incoming.thread_ts
    )
    message = action.session.exec(query).one_or_none()
    if message is None or not message.answers:
        return None
    action.principal.require(Role.OPERATOR)
    place = int(correction.group(1) or (1 if len(message.answers) == 1 else 0))
    if not 1 <= place <= len(message.answers):
        raise InvalidInput(f"say which of the answers: '1 should be: …' up to {len(message.answers)}")
    return correct(action, UUID(message.answers[place - 1]), correction.group(2).strip())


def _remove(session: Session, installation: SlackInstallation) -> None:
    principal = Principal(installation.agency_id, Role.ADMIN, ActorKind.SYSTEM, None, "Slack", "slack")
    remove_installation(session, principal=principal, installation_id=installation.id)


def _is_known(session: Session, installation: SlackInstallation, user: str) -> bool:
    try:
        principal_of(session, installation, user)
    except NotAuthenticated:
        return False
    except TuneloopError:
        return True
    return True


def _link(context: JobContext, calls: Calls, installation: SlackInstallation, user: str) -> str:
    """By the address that Slack has confirmed, for people of this very workspace. Returns what Slack calls them."""
    try:
        person = calls.ask("users.info", user=user)["user"]
    except (Refusal, Later) as error:
        log.info("slack_person_unknown", error=error)
        return ""
    email = (person.get("profile") or {}).get("email")
    stranger = person.get("is_stranger") or person.get("is_bot") or person.get("deleted")
    if email and person.get("is_email_confirmed") and not stranger and person.get("team_id") == installation.team_id:
        with context.unit() as session:
            link_by_email(session, installation, user, email)
    return str(person.get("real_name") or person.get("name") or "")


def _way_to_link(context: JobContext, installation: SlackInstallation, user: str, name: str) -> list[Block]:
    with context.unit() as session:
        token = new_identity_link(session, installation, user, name=name)
    return buttons(link("Who am I?", f"{context.settings.site_url}/slack/link?token={token}"))


def _note_refusal(
    session: Session,
    installation: SlackInstallation,
    incoming: Incoming,
    refused: TuneloopError,
    principal: Principal | None = None,
) -> None:
    """Attempts that were refused are part of the story too."""
    who = principal or Principal(
        installation.agency_id, Role.CLIENT_VIEWER, ActorKind.USER, None, f"Slack user {incoming.user}", "slack"
    )
    record(session, who, "slack.refused", incoming.kind, incoming.name, code=refused.code)


def _tell(calls: Calls, incoming: Incoming, answer: dict[str, Any]) -> None:
    """Through the response URL while it lasts, else as a private message in the channel or directly."""
    body = {"text": answer["text"], "blocks": answer["blocks"]}
    if incoming.response_url:
        replace = bool(answer["replace"])
        sent = WebhookClient(incoming.response_url, timeout=5).send_dict(
            body | {"response_type": "ephemeral", "replace_original": replace}
        )
        if sent.status_code == 200:
            return
    channel = incoming.channel or (
        Metadata.model_validate_json(incoming.metadata).channel if incoming.metadata else None
    )
    try:
        if channel is not None and not channel.startswith("D"):
            thread = {"thread_ts": incoming.thread_ts} if incoming.thread_ts else {}
            calls.call("chat.postEphemeral", channel=channel, user=incoming.user, **body, **thread)
            return
    except Refusal as refusal:
        log.info("slack_private_answer_refused", error=refusal.code)
    try:
        calls.call("chat.postMessage", channel=incoming.user, **body)
    except Refusal as refusal:
        log.warning("slack_answer_lost", error=refusal.code)


def _show_home(context: JobContext, calls: Calls, installation: SlackInstallation, user: str, name: str) -> None:
    with context.unit() as session:
        view = home_view(session, context.settings, installation, user, name=name)
    try:
        calls.call("views.publish", user_id=user, view=view)
    except (Refusal, Later) as error:
        log.info("slack_home_not_shown", error=error)
