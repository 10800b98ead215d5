"""Ways by which messages don't arrive: said until they do, with what mends them."""

from sqlmodel import Session, col, select

from tuneloop.kit.clock import now
from tuneloop.tables import DeliveryProblem, SlackInstallation

WHY = {
    "channel_not_found": "was deleted, or is private and the app is no longer in it",
    "is_archived": "is archived",
    "not_in_channel": "doesn't have the app in it any more",
    "account_inactive": "has deactivated the app, or is deactivated itself",
    "token_revoked": "has revoked the app's token",
    "invalid_auth": "doesn't know the app's token",
    "team_access_not_granted": "has taken the app's access away",
    "missing_scope": "has not granted what the app needs",
}


def raise_channel(session: Session, channel: str, code: str) -> None:
    """The configured channel doesn't take messages; its fallback does."""
    why = WHY.get(code, f"refuses messages ({code})")
    summary = f"The Slack channel {channel} {why}: its messages go to an owner or admin in Slack instead"
    to_do = "invite the app into the channel again (/invite), or choose another one with 'tuneloop slack channel'"
    _raise(session, f"channel:{channel}", summary, to_do)


def raise_workspace(session: Session, installation: SlackInstallation, code: str | None) -> None:
    """Nothing arrives in the workspace; the owners get mail."""
    name = f"The Slack workspace {installation.team_name}"
    if code is None:
        summary = f"{name} has no channel that takes messages, and no active owner or admin of yours is linked there"
        to_do = "choose a channel with 'tuneloop slack channel', or let an owner or admin link their Slack account"
    else:
        summary = f"{name} {WHY.get(code, f'refuses messages ({code})')}"
        again = code in WHY
        to_do = "connect it again with 'tuneloop slack install'" if again else "look at the app's settings in Slack"
    _raise(session, f"workspace:{installation.id}", f"{summary}: messages go to the owners by mail", to_do)


def settle_delivery(session: Session, *keys: str) -> None:
    """Messages arrive again, or are to go elsewhere."""
    query = select(DeliveryProblem).where(col(DeliveryProblem.key).in_(keys), col(DeliveryProblem.settled_at).is_(None))
    for row in session.exec(query):
        row.settled_at = now()
        session.add(row)


def delivery_problems(session: Session) -> list[DeliveryProblem]:
    """Those that are open, oldest first."""
    query = select(DeliveryProblem).where(col(DeliveryProblem.settled_at).is_(None))
    return list(session.exec(query.order_by(col(DeliveryProblem.found_at))))


def _raise(session: Session, key: str, summary: str, to_do: str) -> None:
    query = select(DeliveryProblem).where(DeliveryProblem.key == key, col(DeliveryProblem.settled_at).is_(None))
    row = session.exec(query.with_for_update()).one_or_none() or DeliveryProblem(key=key, summary="", to_do="")
    row.summary, row.to_do = summary, to_do
    session.add(row)
    session.flush()
