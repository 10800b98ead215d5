"""From a request of Slack to the tenant: only `team_id` says whose it is."""

from dataclasses import dataclass
from uuid import UUID

import structlog
from slack_bolt import BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context import BoltContext
from sqlalchemy.exc import OperationalError

from tuneloop.kit.crypto import Vault
from tuneloop.kit.db import Database
from tuneloop.tables import SlackInstallation
from tuneloop_bot.installations import installation_of_team

log = structlog.get_logger(__name__)

DOWN = "Tuneloop can't reach its database. Nothing was recorded and nothing has changed; try again in a minute."


@dataclass(frozen=True)
class Workspace:
    """The installation of a request, with its token."""

    row: SlackInstallation
    token: str

    @property
    def agency_id(self) -> UUID:
        return self.row.agency_id


class Teams:
    """Finds the workspace of every request, before anything else looks at it."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def find(self, team_id: str | None) -> Workspace | None:
        if not team_id:
            return None
        with self._database.all_agencies() as session:
            row = installation_of_team(session, team_id)
        return Workspace(row, self._vault.open(row.bot_token)) if row is not None else None

    def before_authorize(self, req: BoltRequest, next: object) -> BoltResponse | None:  # noqa: A002  (Bolt's name)
        """Refuse workspaces that are not connected; say so when the database is away."""
        assert callable(next)
        if req.body.get("type") in ("url_verification", "ssl_check"):
            next()
            return None
        try:
            workspace = self.find(req.context.team_id)
        except OperationalError as error:
            log.warning("slack_without_database", error=error)
            return self._down(req)
        if workspace is None:
            log.info("slack_unknown_team", team=req.context.team_id)
            return BoltResponse(status=403, body="this workspace is not connected to Tuneloop")
        req.context["workspace"] = workspace
        next()
        return None

    def _down(self, req: BoltRequest) -> BoltResponse:
        """Events are repeated by Slack when refused; clicks and commands are not, so the person is told."""
        kind = req.body.get("type")
        if kind == "event_callback":
            return BoltResponse(status=503, body="")
        if kind == "view_submission":
            inputs = [block["block_id"] for block in req.body["view"]["blocks"] if block["type"] == "input"]
            return BoltResponse(status=200, body={"response_action": "errors", "errors": {inputs[0]: DOWN}})
        if "command" in req.body:
            return BoltResponse(status=200, body={"response_type": "ephemeral", "text": DOWN})
        if req.context.respond is not None and req.context.response_url:
            req.context.respond(text=DOWN, response_type="ephemeral", replace_original=False)
        return BoltResponse(status=200, body="")


def authorize(context: BoltContext, enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
    """After `before_authorize`, which has found the workspace."""
    workspace: Workspace = context["workspace"]
    return AuthorizeResult(
        enterprise_id=enterprise_id,
        team_id=team_id,
        bot_user_id=workspace.row.bot_user_id,
        bot_id="",
        bot_token=workspace.token,
    )
