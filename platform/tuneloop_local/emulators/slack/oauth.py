"""Installing the app: consent, code, token, rotation, removal."""

from time import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from tuneloop_local.emulators.slack.refusals import Refused
from tuneloop_local.emulators.slack.workspace import TOKEN_SECONDS, Grant, Person, Slack, Token, new_id


def consent(slack: Slack, *, query: dict[str, str], team: str, user: str) -> str:
    """Somebody allows the app into their workspace; returns where their browser goes next."""
    if query.get("client_id") != slack.state.app.client_id:
        raise Refused("invalid_client_id")
    scopes = [each for each in query.get("scope", "").replace(" ", ",").split(",") if each]
    if not scopes:
        raise Refused("invalid_scope")
    slack.team(team).person(user)
    code = new_id("code-")
    slack.state.codes[code] = Grant(team=team, user=user, scopes=scopes, redirect_uri=query.get("redirect_uri", ""))
    parts = urlsplit(query["redirect_uri"])
    answer = {name: each[0] for name, each in parse_qs(parts.query).items()} | {"code": code}
    return urlunsplit(parts._replace(query=urlencode(answer | {"state": query.get("state", "")})))


def access(slack: Slack, args: dict[str, Any], basic: tuple[str, str] | None) -> dict[str, Any]:
    """`oauth.v2.access`: a code or a refresh token becomes a bot token."""
    app = slack.state.app
    client, secret = basic or (args.get("client_id"), args.get("client_secret"))
    if client != app.client_id:
        raise Refused("invalid_client_id")
    if secret != app.client_secret:
        raise Refused("bad_client_secret")
    if args.get("grant_type") == "refresh_token":
        grant = slack.state.refresh.pop(str(args.get("refresh_token")), None)
        if grant is None:
            raise Refused("invalid_refresh_token")
    else:
        grant = slack.state.codes.pop(str(args.get("code")), None)
        if grant is None:
            raise Refused("invalid_code")
        if grant.redirect_uri != (args.get("redirect_uri") or ""):
            raise Refused("bad_redirect_uri")
    team = slack.team(grant.team)
    if team.bot_user is None:
        bot = Person(id=new_id("U"), name="Tuneloop", email="", bot=True)
        team.people[bot.id], team.bot_user = bot, bot.id
    token = Token(team=team.id, scopes=grant.scopes, expires_at=time() + TOKEN_SECONDS if app.rotation else None)
    value = new_id("xoxe.xoxb-" if app.rotation else "xoxb-")
    slack.state.tokens[value] = token
    answer: dict[str, Any] = {
        "access_token": value,
        "token_type": "bot",
        "scope": ",".join(grant.scopes),
        "bot_user_id": team.bot_user,
        "app_id": app.id,
        "team": {"id": team.id, "name": team.name},
        "enterprise": None,
        "is_enterprise_install": False,
        "authed_user": {"id": grant.user},
    }
    if app.rotation:
        refresh = new_id("xoxe-1-")
        slack.state.refresh[refresh] = grant
        answer |= {"refresh_token": refresh, "expires_in": TOKEN_SECONDS}
    return answer


def remove(slack: Slack, team: str) -> None:
    """Take the app out of a workspace: its tokens end; the caller tells the app."""
    found = slack.team(team)
    state = slack.state
    state.tokens = {name: each for name, each in state.tokens.items() if each.team != team}
    state.refresh = {name: each for name, each in state.refresh.items() if each.team != team}
    for channel in found.channels.values():
        channel.members = [each for each in channel.members if each != found.bot_user]
