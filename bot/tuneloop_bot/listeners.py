"""What Slack calls: keep it, acknowledge it, leave the work to a job. Only modals are opened at once."""

import re
from collections.abc import Callable
from typing import Any

import structlog
from slack_bolt import Ack, App, BoltContext, BoltResponse, Respond
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from sqlalchemy.exc import OperationalError

from tuneloop.kit.db import Database
from tuneloop_bot import payloads
from tuneloop_bot.action_ids import Act, Field, Form, Metadata
from tuneloop_bot.authorize import DOWN, Workspace
from tuneloop_bot.forms import form_for_action, wrong_answer_form
from tuneloop_bot.payloads import Incoming
from tuneloop_bot.receipts import keep

log = structlog.get_logger(__name__)

MODALS = (Act.NO_PROBLEM, Act.REJECT, Act.OVERRIDE, Act.EDIT_NOTE)
USED_UP = ("exchanged_trigger_id", "expired_trigger_id")
"""Of a repeated or late request: the person has the modal of the first, or clicks again."""

KEPT_EVENTS = ("message", "app_home_opened", "app_uninstalled", "tokens_revoked")


class Listeners:
    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, app: App) -> None:
        for act in Act:
            if act in MODALS:
                app.action(_named(act))(self.modal)
            elif act is Act.OPEN:
                app.action(_named(act))(_just_ack)
            else:
                app.action(_named(act))(self.action)
        for form in Form:
            app.view(str(form))(self.submission)
        app.shortcut(str(Form.WRONG))(self.shortcut)
        app.command("/tuneloop")(self.command)
        for name in KEPT_EVENTS:
            app.event(name)(self.event)

    def action(self, ack: Ack, body: dict[str, Any], context: BoltContext, respond: Respond) -> None:
        self._kept(context, payloads.of_action(body), lambda: _tell(respond, DOWN))
        ack()

    def modal(self, ack: Ack, body: dict[str, Any], context: BoltContext, respond: Respond, client: WebClient) -> None:
        """The trigger lives for three seconds, so the modal can't wait for a job."""
        incoming = payloads.of_action(body)
        try:
            with self._database.unit(_workspace(context).agency_id) as session:
                view = form_for_action(session, incoming)
        except OperationalError as error:
            log.warning("slack_without_database", error=error)
            _tell(respond, DOWN)
            ack()
            return
        if view is None:
            _tell(respond, "This has changed in the meantime; look at the newest message.")
        else:
            _open(client, body["trigger_id"], view)
        ack()

    def shortcut(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        _open(client, body["trigger_id"], wrong_answer_form(body["message"], body["channel"]["id"]))
        ack()

    def submission(self, ack: Ack, body: dict[str, Any], context: BoltContext) -> BoltResponse | None:
        incoming = payloads.of_view(body)
        wanted = Metadata.of(body["view"]).confirmation
        if wanted is not None and incoming.fields.get(Field.TYPED, "").strip() != wanted:
            return ack(response_action="errors", errors={Field.TYPED: f"Type exactly {wanted}"})
        failed: list[str] = []
        self._kept(context, incoming, lambda: failed.append(DOWN))
        if failed:
            return ack(response_action="errors", errors={next(iter(incoming.fields)): DOWN})
        return ack()

    def command(self, ack: Ack, body: dict[str, Any], context: BoltContext) -> None:
        failed: list[str] = []
        self._kept(context, payloads.of_command(body), lambda: failed.append(DOWN))
        ack(text=DOWN, response_type="ephemeral") if failed else ack()

    def event(self, body: dict[str, Any], context: BoltContext) -> BoltResponse:
        """A refused event comes again: Slack repeats it for up to an hour."""
        event = body["event"]
        if event["type"] == "message" and (event.get("subtype") or event.get("bot_id") or not event.get("thread_ts")):
            return BoltResponse(status=200, body="")
        failed: list[str] = []
        self._kept(context, payloads.of_event(body), lambda: failed.append(DOWN))
        return BoltResponse(status=503 if failed else 200, body="")

    def _kept(self, context: BoltContext, incoming: Incoming, if_down: Callable[[], object]) -> None:
        workspace = _workspace(context)
        try:
            with self._database.unit(workspace.agency_id) as session:
                kept = keep(
                    session,
                    workspace.row,
                    key=incoming.key,
                    kind=incoming.kind,
                    slack_user=incoming.user,
                    payload=incoming.model_dump(mode="json"),
                )
        except OperationalError as error:
            log.warning("slack_without_database", error=error)
            if_down()
            return
        log.info("slack_received" if kept else "slack_repeated", kind=incoming.kind, name=incoming.name)


def _workspace(context: BoltContext) -> Workspace:
    workspace: Workspace = context["workspace"]
    return workspace


def _named(act: Act) -> re.Pattern[str]:
    return re.compile(rf"^{act}(:.*)?$")


def _just_ack(ack: Ack) -> None:
    ack()


def _tell(respond: Respond, text: str) -> None:
    respond(text=text, response_type="ephemeral", replace_original=False)


def _open(client: WebClient, trigger: str, view: dict[str, Any]) -> None:
    try:
        client.views_open(trigger_id=trigger, view=view)
    except SlackApiError as error:
        if error.response["error"] in USED_UP:
            log.info("slack_modal_refused", error=error.response["error"])
            return
        raise
