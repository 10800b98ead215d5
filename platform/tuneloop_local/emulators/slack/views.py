"""Modals and App Home: the methods `views.*`."""

from typing import Any

from tuneloop_local.emulators.slack.refusals import Refused, check_view
from tuneloop_local.emulators.slack.request import SlackRequest
from tuneloop_local.emulators.slack.workspace import Slack, Team, View, new_id


def open_view(call: SlackRequest) -> dict[str, Any]:
    trigger = call.slack.use_trigger(call.need("trigger_id"), call.team.id)
    return {"view": _new_view(call, trigger.user, previous=None)}


def push_view(call: SlackRequest) -> dict[str, Any]:
    trigger = call.slack.use_trigger(call.need("trigger_id"), call.team.id)
    shown = [view for view in call.team.views.values() if view.user == trigger.user]
    if len(shown) >= 3:
        raise Refused("push_limit_reached")
    return {"view": _new_view(call, trigger.user, previous=shown[-1].id if shown else None)}


def update_view(call: SlackRequest) -> dict[str, Any]:
    found = call.team.views.get(str(call.args.get("view_id", "")))
    if found is None:
        raise Refused("not_found")
    if call.args.get("hash") not in (None, found.hash):
        raise Refused("hash_conflict")
    check_view(call.args.get("view"))
    found.body, found.hash, found.errors = call.args["view"], new_id(""), {}
    return {"view": view_of(call.slack, call.team, found)}


def publish_view(call: SlackRequest) -> dict[str, Any]:
    person = call.team.person(call.need("user_id"))
    check_view(call.args.get("view"))
    if call.args["view"]["type"] != "home":
        raise Refused("invalid_arguments", "only a home view can be published")
    call.team.homes[person.id] = call.args["view"]
    return {"view": {"id": f"VHOME{person.id}", "team_id": call.team.id, **call.args["view"]}}


def view_of(slack: Slack, team: Team, view: View) -> dict[str, Any]:
    """A view as Slack describes it in payloads."""
    return {
        "private_metadata": "",
        "callback_id": "",
        **view.body,
        "id": view.id,
        "team_id": team.id,
        "hash": view.hash,
        "state": {"values": {}},
        "previous_view_id": view.previous,
        "root_view_id": view.previous or view.id,
        "app_id": slack.state.app.id,
        "bot_id": f"B{(team.bot_user or '')[1:]}",
    }


def _new_view(call: SlackRequest, user: str, *, previous: str | None) -> dict[str, Any]:
    check_view(call.args.get("view"))
    if call.args["view"]["type"] != "modal":
        raise Refused("invalid_arguments", "only a modal can be opened")
    view = View(id=new_id("V"), user=user, hash=new_id(""), body=call.args["view"], previous=previous)
    call.team.views[view.id] = view
    return view_of(call.slack, call.team, view)
