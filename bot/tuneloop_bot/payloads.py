"""What people send, reduced to what the job needs: one shape, one key that makes repeats recognisable."""

from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict

from tuneloop_bot.typed_text import typed_text


class Incoming(BaseModel):
    """`name` is the action, callback or command; `value` what was chosen; `fields` what was typed.

    `private` is whether it was done on a message that only this person sees.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    name: str
    value: str = ""
    fields: dict[str, str] = {}
    user: str
    channel: str | None = None
    ts: str | None = None
    thread_ts: str | None = None
    response_url: str | None = None
    metadata: str | None = None
    private: bool = False
    key: str


def of_action(body: dict[str, Any]) -> Incoming:
    action = body["actions"][0]
    user = body["user"]["id"]
    return Incoming(
        kind="action",
        name=action["action_id"].partition(":")[0],
        value=action.get("value") or (action.get("selected_option") or {}).get("value", ""),
        user=user,
        channel=(body.get("channel") or {}).get("id"),
        ts=(body.get("message") or {}).get("ts"),
        thread_ts=(body.get("message") or {}).get("thread_ts"),
        response_url=body.get("response_url"),
        private=bool((body.get("container") or {}).get("is_ephemeral")),
        key=f"action:{user}:{action['action_id']}:{action['action_ts']}",
    )


def of_view(body: dict[str, Any]) -> Incoming:
    view = body["view"]
    values = {name: next(iter(each.values())) for name, each in view["state"]["values"].items()}
    return Incoming(
        kind="view",
        name=view["callback_id"],
        fields={name: each.get("value") or "" for name, each in values.items()},
        user=body["user"]["id"],
        metadata=view["private_metadata"],
        key=f"view:{view['id']}",
    )


def of_command(body: dict[str, Any]) -> Incoming:
    return Incoming(
        kind="command",
        name=body["command"],
        value=typed_text(body.get("text", "")).strip(),
        user=body["user_id"],
        channel=body["channel_id"],
        response_url=body["response_url"],
        key=f"command:{sha256(body['trigger_id'].encode()).hexdigest()[:24]}",
    )


def of_event(body: dict[str, Any]) -> Incoming:
    event = body["event"]
    return Incoming(
        kind="event",
        name=event["type"],
        value=typed_text(event.get("text", "")),
        user=event.get("user") or "",
        channel=event.get("channel"),
        ts=event.get("ts"),
        thread_ts=event.get("thread_ts"),
        key=f"event:{body['event_id']}",
    )
