"""Slack's requests, and the two steps of connecting a workspace: to Slack's consent, and back."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from hmac import compare_digest
from urllib.parse import urlencode

from litestar import Response, get
from litestar.datastructures import Cookie
from litestar.params import FromQuery
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from slack_bolt import BoltRequest, BoltResponse
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.errors import Conflict, Unavailable
from tuneloop.kit.settings import Settings
from tuneloop.web.console.render import page
from tuneloop_bot.app import ANSWER_SECONDS, make_app
from tuneloop_bot.http import events_handler
from tuneloop_bot.installations import SCOPES, SlackGrant, complete_installation

STATE_COOKIE = "tuneloop_slack_state"
STATE_SECONDS = 900


def slack_handlers(settings: Settings) -> Sequence[ControllerRouterHandler]:
    """Nothing where no Slack app is set up. Requests of Slack get a database that answers quickly or not at all."""
    if not settings.slack_signing_secret.get_secret_value():
        return ()
    quick = Database(make_engine(settings.database_url, pool_size=5, answer_within=ANSWER_SECONDS))
    return slack_routes(make_app(settings, quick).dispatch)


def slack_routes(dispatch: Callable[[BoltRequest], BoltResponse]) -> Sequence[ControllerRouterHandler]:
    return (events_handler(dispatch), begin, finish)


@get("/slack/install", public=True, include_in_schema=False, sync_to_thread=False)
def begin(request: HttpRequest) -> Redirect:
    """To Slack's consent. The browser keeps the state, so that nobody finishes an installation begun elsewhere."""
    settings = settings_of(request)
    state = request.query_params.get("state", "")
    query = {
        "client_id": settings.slack_client_id,
        "scope": ",".join(SCOPES),
        "state": state,
        "redirect_uri": _back(settings),
    }
    cookie = Cookie(
        key=STATE_COOKIE,
        value=state,
        max_age=STATE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=settings.site_url.startswith("https"),
        path="/slack",
    )
    return Redirect(f"{settings.slack_authorize_url}?{urlencode(query)}", cookies=[cookie])


@get("/slack/oauth_redirect", public=True, include_in_schema=False, sync_to_thread=True)
def finish(request: HttpRequest, code: FromQuery[str] = "", error: FromQuery[str] = "") -> Response[str]:
    state = request.query_params.get("state", "")
    settings = settings_of(request)
    if error:
        raise Conflict(f"Slack says: {error[:100]}. Nothing was connected; begin again when you are ready")
    kept = request.cookies.get(STATE_COOKIE, "")
    if not state or not compare_digest(kept.encode(), state.encode()):
        raise Conflict("this installation was begun in another browser; open the link again, here")
    grant = _exchange(settings, code)
    vault = Vault(settings.secret_key.get_secret_value())
    with database_of(request).all_agencies() as session:
        row = complete_installation(session, state=state, grant=grant, vault=vault)
    answer = page(request, "links/installed.html", team=row.team_name)
    answer.delete_cookie(STATE_COOKIE, path="/slack")
    return answer


def _exchange(settings: Settings, code: str) -> SlackGrant:
    try:
        given = WebClient(base_url=settings.slack_api_url).oauth_v2_access(
            client_id=settings.slack_client_id,
            client_secret=settings.slack_client_secret.get_secret_value(),
            code=code,
            redirect_uri=_back(settings),
        )
    except SlackApiError as refused:
        raise Conflict(f"Slack refused the installation: {refused.response['error']}; begin again") from refused
    except OSError as away:
        raise Unavailable(f"Slack does not answer: {away}; begin again in a minute") from away
    if given.get("is_enterprise_install"):
        raise Conflict("install Tuneloop into one workspace, not into the whole organisation")
    seconds = given.get("expires_in")
    return SlackGrant(
        team_id=given["team"]["id"],
        team_name=given["team"]["name"],
        app_id=given["app_id"],
        bot_user_id=given["bot_user_id"],
        bot_token=given["access_token"],
        refresh_token=given.get("refresh_token"),
        expires_at=now() + timedelta(seconds=seconds) if seconds else None,
        scopes=given["scope"],
        installer=given["authed_user"]["id"],
    )


def _back(settings: Settings) -> str:
    return f"{settings.site_url}/slack/oauth_redirect"
