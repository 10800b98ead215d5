"""Workspace tokens that rotate: exchanged well before they expire."""

from datetime import timedelta
from uuid import UUID

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from sqlmodel import Session, col, select

from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.tables import SlackInstallation
from tuneloop_bot.installations import keep_tokens
from tuneloop_bot.jobs import RenewToken

log = structlog.get_logger(__name__)

AHEAD = timedelta(hours=2)


def renew_soon(session: Session) -> None:
    """Enqueue a renewal of every token that expires within two hours."""
    ending = select(SlackInstallation).where(
        col(SlackInstallation.token_expires_at) < now() + AHEAD,
        col(SlackInstallation.removed_at).is_(None),
        col(SlackInstallation.refresh_token).is_not(None),
    )
    for row in session.exec(ending):
        job, key = RenewToken(installation_id=row.id), f"{RenewToken.name}:{row.id}"
        enqueue(session, job, agency_id=row.agency_id, dedupe_key=key)


def renew(context: JobContext, installation_id: UUID) -> None:
    """A refresh token works once, so its answer is stored at once. After a refusal the old token is used to its end."""
    settings = context.settings
    vault = Vault(settings.secret_key.get_secret_value())
    with context.unit() as session:
        row = session.get_one(SlackInstallation, installation_id)
        if row.removed_at or not row.refresh_token or not row.token_expires_at or row.token_expires_at > now() + AHEAD:
            return
        refresh = vault.open(row.refresh_token)
    try:
        given = WebClient(base_url=settings.slack_api_url).oauth_v2_access(
            client_id=settings.slack_client_id,
            client_secret=settings.slack_client_secret.get_secret_value(),
            grant_type="refresh_token",
            refresh_token=refresh,
        )
    except SlackApiError as refused:
        if refused.response.status_code >= 429:
            raise
        log.warning("slack_token_not_renewed", team=row.team_id, error=refused.response["error"])
        return
    with context.unit() as session:
        row = session.get_one(SlackInstallation, installation_id, with_for_update=True)
        ends = now() + timedelta(seconds=given["expires_in"])
        keep_tokens(row, vault, given["access_token"], given.get("refresh_token"), ends)
        session.add(row)
