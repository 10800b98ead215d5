"""The methods of the Web API that the app uses, with the scopes that Slack asks for."""

from collections.abc import Callable
from time import time
from typing import Any, NamedTuple

from tuneloop_local.emulators.slack.refusals import Refused, check_message
from tuneloop_local.emulators.slack.request import SlackRequest
from tuneloop_local.emulators.slack.views import open_view, publish_view, push_view, update_view
from tuneloop_local.emulators.slack.workspace import File, Slack, Team, new_id

UPDATE_TEXT = 4_000


class ApiMethod(NamedTuple):
    run: Callable[[SlackRequest], dict[str, Any]]
    scopes: frozenset[str]
    args: frozenset[str]


def authorised(slack: Slack, token: str) -> tuple[Team, frozenset[str]]:
    """Whose token it is. Raises Refused as Slack does for one that is missing, unknown or expired."""
    if not token:
        raise Refused("not_authed")
    found = slack.state.tokens.get(token)
    if found is None:
        raise Refused("invalid_auth")
    if slack.team(found.team).deactivated:
        raise Refused("account_inactive")
    if found.expires_at is not None and found.expires_at < time():
        raise Refused("token_expired")
    return slack.team(found.team), frozenset(found.scopes)


def call_method(slack: Slack, name: str, token: str, args: dict[str, Any], *, site: str) -> dict[str, Any]:
    method = METHODS.get(name)
    if method is None:
        raise Refused("unknown_method")
    team, scopes = authorised(slack, token)
    if method.scopes and not method.scopes & scopes:
        raise Refused("missing_scope", needed=sorted(method.scopes)[0], provided=",".join(sorted(scopes)))
    unknown = sorted(set(args) - method.args - {"token", "team_id"})
    if unknown:
        raise Refused("invalid_arguments", *(f"unknown argument: {each}" for each in unknown))
    return method.run(SlackRequest(slack, team, args, site, scopes))


def auth_test(call: SlackRequest) -> dict[str, Any]:
    bot = call.team.person(call.team.bot_user or "")
    return {
        "url": f"{call.site}/",
        "team": call.team.name,
        "user": bot.name,
        "team_id": call.team.id,
        "user_id": bot.id,
        "bot_id": f"B{bot.id[1:]}",
        "is_enterprise_install": False,
    }


def post_message(call: SlackRequest) -> dict[str, Any]:
    channel = _postable(call)
    check_message(call.args)
    thread = call.args.get("thread_ts")
    if thread:
        call.team.message(channel, thread)
    _check_files(call, call.args.get("blocks") or [])
    message = {
        "type": "message",
        "channel": channel,
        "user": call.team.bot_user,
        "bot_id": f"B{(call.team.bot_user or '')[1:]}",
        "app_id": call.slack.state.app.id,
        "team": call.team.id,
        "ts": call.slack.next_ts(),
        "text": call.args.get("text", ""),
        "blocks": call.args.get("blocks") or [],
    }
    message |= {"thread_ts": thread} if thread else {}
    message |= {"metadata": call.args["metadata"]} if "metadata" in call.args else {}
    call.team.messages.append(message)
    return {"channel": channel, "ts": message["ts"], "message": _shown(message)}


def update_message(call: SlackRequest) -> dict[str, Any]:
    message = call.team.message(call.team.channel(call.need("channel")).id, call.need("ts"))
    if message["user"] != call.team.bot_user or "ephemeral_to" in message:
        raise Refused("cant_update_message")
    check_message(call.args, text_limit=UPDATE_TEXT)
    _check_files(call, call.args.get("blocks") or [])
    message |= {name: call.args[name] for name in ("text", "blocks", "metadata") if name in call.args}
    message["edited"] = {"user": call.team.bot_user, "ts": call.slack.next_ts()}
    return {"channel": message["channel"], "ts": message["ts"], "text": message["text"], "message": _shown(message)}


def post_ephemeral(call: SlackRequest) -> dict[str, Any]:
    channel = _postable(call)
    person = call.team.person(call.need("user"))
    check_message(call.args)
    message = {
        "type": "message",
        "channel": channel,
        "user": call.team.bot_user,
        "ts": call.slack.next_ts(),
        "text": call.args.get("text", ""),
        "blocks": call.args.get("blocks") or [],
        "ephemeral_to": person.id,
    }
    call.team.messages.append(message)
    return {"message_ts": message["ts"]}


def permalink(call: SlackRequest) -> dict[str, Any]:
    channel, ts = call.team.channel(call.need("channel")).id, call.need("message_ts")
    call.team.message(channel, ts)
    return {"channel": channel, "permalink": f"{call.site}/#{channel}-{ts}"}


def user_info(call: SlackRequest) -> dict[str, Any]:
    return {"user": _user(call, call.team.person(call.need("user")).id)}


def user_by_email(call: SlackRequest) -> dict[str, Any]:
    wanted = call.need("email").lower()
    for person in call.team.people.values():
        if person.email.lower() == wanted and not person.bot:
            return {"user": _user(call, person.id)}
    raise Refused("users_not_found")


def open_conversation(call: SlackRequest) -> dict[str, Any]:
    return {"channel": {"id": _direct(call, call.need("users").split(",")[0])}}


def conversation_info(call: SlackRequest) -> dict[str, Any]:
    channel = call.team.channel(call.need("channel"))
    member = channel.direct or (call.team.bot_user in channel.members)
    if channel.private and not member:
        raise Refused("channel_not_found")
    return {
        "channel": {
            "id": channel.id,
            "name": channel.name,
            "is_im": channel.direct,
            "is_private": channel.private,
            "is_archived": channel.archived,
            "is_member": member,
        }
    }


def history(call: SlackRequest) -> dict[str, Any]:
    channel = call.team.channel(call.need("channel"))
    oldest = float(call.args.get("oldest") or 0)
    found = [
        _shown(message, metadata=bool(call.args.get("include_all_metadata")))
        for message in reversed(call.team.messages)
        if message["channel"] == channel.id and "ephemeral_to" not in message and float(message["ts"]) >= oldest
    ]
    return {"messages": found[: int(call.args.get("limit") or 100)], "has_more": False}


def upload_url(call: SlackRequest) -> dict[str, Any]:
    file = File(id=new_id("F"), name=call.need("filename"), length=int(call.args.get("length") or 0))
    if file.length <= 0:
        raise Refused("invalid_arguments", "length must be positive")
    call.team.files[file.id] = file
    return {"upload_url": f"{call.site}/upload/{call.team.id}/{file.id}", "file_id": file.id}


def complete_upload(call: SlackRequest) -> dict[str, Any]:
    named = call.args.get("files") or []
    done = []
    for each in named:
        file = call.team.files.get(each.get("id", ""))
        if file is None or not file.content:
            raise Refused("file_not_found")
        file.complete, file.title = True, each.get("title") or file.name
        done.append({"id": file.id, "title": file.title})
    return {"files": done}


def revoke(call: SlackRequest) -> dict[str, Any]:
    tokens = call.slack.state.tokens
    for token in [token for token, held in tokens.items() if held.team == call.team.id]:
        del tokens[token]
    return {"revoked": True}


def _postable(call: SlackRequest) -> str:
    """The channel to post to: one that the app is in, or a person's direct conversation."""
    named = call.need("channel")
    if named.startswith("U"):
        return _direct(call, named)
    channel = call.team.channel(named)
    if channel.private and call.team.bot_user not in channel.members:
        raise Refused("channel_not_found")
    if channel.archived:
        raise Refused("is_archived")
    if not channel.direct and call.team.bot_user not in channel.members and "chat:write.public" not in call.scopes:
        raise Refused("not_in_channel")
    return channel.id


def _direct(call: SlackRequest, user: str) -> str:
    if call.team.person(user).deleted:
        raise Refused("user_disabled")
    return call.team.direct(user).id


def _check_files(call: SlackRequest, blocks: list[dict[str, Any]]) -> None:
    for block in blocks:
        if block["type"] == "image" and "slack_file" in block:
            file = call.team.files.get(block["slack_file"].get("id", ""))
            if file is None or not file.complete:
                raise Refused("invalid_blocks", "invalid slack file: /blocks")


def _shown(message: dict[str, Any], *, metadata: bool = False) -> dict[str, Any]:
    return {name: value for name, value in message.items() if metadata or name not in ("metadata", "channel")}


def _user(call: SlackRequest, user: str) -> dict[str, Any]:
    person = call.team.person(user)
    profile = {"real_name": person.name}
    if "users:read.email" in call.scopes and not person.bot:
        profile["email"] = person.email
    return {
        "id": person.id,
        "team_id": call.team.id,
        "name": person.name.lower().replace(" ", "."),
        "real_name": person.name,
        "deleted": person.deleted,
        "is_bot": person.bot,
        "is_restricted": person.restricted,
        "is_ultra_restricted": False,
        "is_stranger": False,
        "is_email_confirmed": person.confirmed,
        "profile": profile,
    }


def _method(run: Callable[[SlackRequest], dict[str, Any]], scopes: str = "", args: str = "") -> ApiMethod:
    return ApiMethod(run, frozenset(scopes.split()), frozenset(args.split()))


_POST = "channel text blocks metadata mrkdwn unfurl_links unfurl_media"
METHODS: dict[str, ApiMethod] = {
    "auth.test": _method(auth_test),
    "auth.revoke": _method(revoke, args="test"),
    "chat.postMessage": _method(post_message, "chat:write", f"{_POST} thread_ts reply_broadcast"),
    "chat.update": _method(update_message, "chat:write", f"{_POST} ts"),
    "chat.postEphemeral": _method(post_ephemeral, "chat:write", f"{_POST} user thread_ts"),
    "chat.getPermalink": _method(permalink, args="channel message_ts"),
    "views.open": _method(open_view, args="trigger_id view"),
    "views.push": _method(push_view, args="trigger_id view"),
    "views.update": _method(update_view, args="view_id view hash"),
    "views.publish": _method(publish_view, args="user_id view hash"),
    "users.info": _method(user_info, "users:read", "user include_locale"),
    "users.lookupByEmail": _method(user_by_email, "users:read.email", "email"),
    "conversations.open": _method(open_conversation, "im:write", "users return_im"),
    "conversations.info": _method(conversation_info, "channels:read groups:read im:read", "channel"),
    "conversations.history": _method(
        history,
        "channels:history groups:history im:history",
        "channel oldest latest limit inclusive include_all_metadata",
    ),
    "files.getUploadURLExternal": _method(upload_url, "files:write", "filename length alt_txt"),
    "files.completeUploadExternal": _method(complete_upload, "files:write", "files channel_id initial_comment"),
}
