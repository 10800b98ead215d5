"""What people do in Slack, and the payloads that the app gets for it."""

from secrets import token_hex
from time import time
from typing import Any

from tuneloop_local.emulators.slack.delivery import AppResponse, Delivery
from tuneloop_local.emulators.slack.oauth import remove
from tuneloop_local.emulators.slack.refusals import Refused, actions_of, check_message, check_view
from tuneloop_local.emulators.slack.typed import as_sent
from tuneloop_local.emulators.slack.views import view_of
from tuneloop_local.emulators.slack.workspace import RESPONSE_SECONDS, Response, Slack, Team, View, new_id

NO_ANSWER = "Tuneloop did not answer in time. Try again."


class People:
    """One method per thing that a person can do; each tells the app, and shows what the app answers at once."""

    def __init__(self, slack: Slack, delivery: Delivery, site: str) -> None:
        self.slack = slack
        self.delivery = delivery
        self.site = site

    def click(
        self, team: str, user: str, channel: str, ts: str, action: str, *, value: str | None = None, block: str = ""
    ) -> AppResponse:
        """Use a button or a menu of a message; `value` picks the button, or the option of a menu."""
        with self.slack.lock:
            home = self.slack.team(team)
            message = home.message(channel, ts)
            if message.get("ephemeral_to") not in (None, user):
                raise Refused("message_not_found")
            used = _used(message["blocks"], action, value, block)
            payload = self._interaction(home, user, "block_actions", channel=channel, ts=ts) | {
                "container": {
                    "type": "message",
                    "message_ts": ts,
                    "channel_id": channel,
                    "is_ephemeral": "ephemeral_to" in message,
                },
                "message": {name: each for name, each in message.items() if name != "ephemeral_to"},
                "state": {"values": {}},
                "actions": [used],
            }
        return self._told(team, user, self.delivery.interaction(payload))

    def click_in_view(self, team: str, user: str, view: str, action: str, *, value: str | None = None) -> AppResponse:
        """Use a button of App Home (`view` is "home") or of a modal."""
        with self.slack.lock:
            home = self.slack.team(team)
            body = home.homes.get(user) if view == "home" else None
            shown = View(id=f"VHOME{user}", user=user, hash="", body=body) if body else home.views[view]
            payload = self._interaction(home, user, "block_actions") | {
                "container": {"type": "view", "view_id": shown.id},
                "view": view_of(self.slack, home, shown),
                "actions": [_used(shown.body["blocks"], action, value, "")],
            }
        return self._told(team, user, self.delivery.interaction(payload))

    def command(self, team: str, user: str, channel: str, text: str, *, command: str = "/tuneloop") -> AppResponse:
        with self.slack.lock:
            home = self.slack.team(team)
            fields = {
                "token": "unused",
                "team_id": team,
                "team_domain": home.name.lower(),
                "channel_id": home.channel(channel).id,
                "channel_name": home.channel(channel).name,
                "user_id": user,
                "user_name": home.person(user).name,
                "command": command,
                "text": as_sent(text),
                "api_app_id": self.slack.state.app.id,
                "is_enterprise_install": "false",
                "response_url": self._response_url(team, user, channel, None),
                "trigger_id": self.slack.new_trigger(team, user),
            }
        answer = self.delivery.command(fields)
        if answer.good and answer.body:
            reply = answer.json() or {"text": answer.body}
            self._show(home, user, channel, reply)
        return self._told(team, user, answer)

    def shortcut(self, team: str, user: str, channel: str, ts: str, callback: str) -> AppResponse:
        """A message shortcut."""
        with self.slack.lock:
            home = self.slack.team(team)
            message = home.message(channel, ts)
            payload = self._interaction(home, user, "message_action", channel=channel, ts=ts) | {
                "callback_id": callback,
                "message_ts": ts,
                "message": message,
                "action_ts": f"{time():.6f}",
            }
        return self._told(team, user, self.delivery.interaction(payload))

    def say(self, team: str, user: str, channel: str, text: str, *, thread: str | None = None) -> AppResponse:
        with self.slack.lock:
            home = self.slack.team(team)
            place = home.channel(channel)
            message: dict[str, Any] = {
                "type": "message",
                "channel": channel,
                "user": home.person(user).id,
                "team": team,
            }
            message |= {"text": as_sent(text), "ts": self.slack.next_ts(), "blocks": [], "client_msg_id": token_hex(8)}
            message |= {"thread_ts": thread} if thread else {}
            home.messages.append(message)
            hears = home.bot_user in place.members
            event = {
                **{name: each for name, each in message.items() if name != "blocks"},
                "channel_type": "im" if place.direct else "group" if place.private else "channel",
                "event_ts": message["ts"],
            }
        return self.delivery.event(team, event, authorised=home.bot_user or "") if hears else AppResponse(200, "")

    def submit(self, team: str, user: str, view: str, values: dict[str, Any]) -> AppResponse:
        """Send a modal; `values` holds what was entered, by block id."""
        with self.slack.lock:
            home = self.slack.team(team)
            shown = home.views.get(view)
            if shown is None or shown.user != user:
                raise Refused("not_found")
            payload = self._interaction(home, user, "view_submission") | {
                "view": view_of(self.slack, home, shown) | {"state": {"values": _entered(shown, values)}},
                "response_urls": [],
            }
        answer = self.delivery.interaction(payload)
        if answer.good:
            with self.slack.lock:
                self._respond_to_view(home, shown, answer.json())
        else:
            shown.errors = {"": "We had some trouble connecting. Try again?"}
        return answer

    def close(self, team: str, view: str) -> None:
        self.slack.team(team).views.pop(view, None)

    def open_home(self, team: str, user: str) -> AppResponse:
        home = self.slack.team(team)
        channel = home.direct(user).id
        event = {"type": "app_home_opened", "user": user, "channel": channel, "tab": "home"}
        return self.delivery.event(team, event | {"event_ts": f"{time():.6f}"}, authorised=home.bot_user or "")

    def invite(self, team: str, channel: str) -> None:
        """`/invite @Tuneloop`."""
        home = self.slack.team(team)
        if home.bot_user is None:
            raise Refused("app_not_installed")
        if home.bot_user not in home.channel(channel).members:
            home.channel(channel).members.append(home.bot_user)

    def kick(self, team: str, channel: str) -> None:
        """`/remove @Tuneloop`."""
        home = self.slack.team(team)
        home.channel(channel).members.remove(home.bot_user or "")

    def archive(self, team: str, channel: str) -> None:
        self.slack.team(team).channel(channel).archived = True

    def deactivate(self, team: str, user: str) -> None:
        """An admin of the workspace takes a person's account away."""
        self.slack.team(team).person(user).deleted = True

    def restrict(self, team: str, user: str) -> None:
        """A person becomes a guest."""
        self.slack.team(team).person(user).restricted = True

    def close_workspace(self, team: str) -> None:
        self.slack.team(team).deactivated = True

    def narrow(self, team: str, scope: str) -> None:
        """The app was granted less than it asks for."""
        for token in self.slack.state.tokens.values():
            if token.team == team and scope in token.scopes:
                token.scopes.remove(scope)

    def uninstall(self, team: str) -> AppResponse:
        bot = self.slack.team(team).bot_user or ""
        remove(self.slack, team)
        self.delivery.event(team, {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [bot]}}, authorised=bot)
        return self.delivery.event(team, {"type": "app_uninstalled"}, authorised=bot)

    def respond(self, key: str, said: dict[str, Any]) -> None:
        """The app uses a `response_url`. Raises Refused when it is used up."""
        found = self.slack.state.responses.get(key)
        if found is None:
            raise Refused("invalid_url")
        if found.expires_at < time():
            raise Refused("expired_url")
        if found.left <= 0:
            raise Refused("used_url")
        found.left -= 1
        home = self.slack.team(found.team)
        if said.get("delete_original") and found.message_ts:
            home.messages.remove(home.message(found.channel, found.message_ts))
        elif said.get("replace_original") and found.message_ts:
            check_message(said)
            message = home.message(found.channel, found.message_ts)
            message |= {"text": said.get("text", ""), "blocks": said.get("blocks") or []}
        else:
            self._show(home, found.user, found.channel, said)

    def _show(self, home: Team, user: str, channel: str, said: dict[str, Any]) -> None:
        check_message(said)
        message = {
            "type": "message",
            "channel": channel,
            "user": home.bot_user,
            "ts": self.slack.next_ts(),
            "text": said.get("text", ""),
            "blocks": said.get("blocks") or [],
        }
        message |= {"thread_ts": said["thread_ts"]} if said.get("thread_ts") else {}
        home.messages.append(message | ({} if said.get("response_type") == "in_channel" else {"ephemeral_to": user}))

    def _respond_to_view(self, home: Team, shown: View, answer: dict[str, Any]) -> None:
        kind = answer.get("response_action")
        if kind == "errors":
            shown.errors = answer["errors"]
        elif kind == "update":
            check_view(answer["view"])
            shown.body, shown.hash, shown.errors = answer["view"], new_id(""), {}
        elif kind == "push":
            check_view(answer["view"])
            pushed = View(id=new_id("V"), user=shown.user, hash="", body=answer["view"], previous=shown.id)
            home.views[pushed.id] = pushed
        elif kind == "clear":
            home.views = {name: view for name, view in home.views.items() if view.user != shown.user}
        else:
            home.views.pop(shown.id, None)

    def _interaction(
        self, home: Team, user: str, kind: str, *, channel: str | None = None, ts: str | None = None
    ) -> dict[str, Any]:
        person = home.person(user)
        payload: dict[str, Any] = {
            "type": kind,
            "user": {"id": user, "username": person.name, "name": person.name, "team_id": home.id},
            "api_app_id": self.slack.state.app.id,
            "token": "unused",
            "trigger_id": self.slack.new_trigger(home.id, user),
            "team": {"id": home.id, "domain": home.name.lower()},
            "enterprise": None,
            "is_enterprise_install": False,
        }
        if channel is not None:
            payload["channel"] = {"id": channel, "name": home.channel(channel).name}
            payload["response_url"] = self._response_url(home.id, user, channel, ts)
        return payload

    def _response_url(self, team: str, user: str, channel: str, ts: str | None) -> str:
        key = token_hex(12)
        self.slack.state.responses[key] = Response(
            team=team, user=user, channel=channel, message_ts=ts, expires_at=time() + RESPONSE_SECONDS
        )
        return f"{self.site}/response/{key}"

    def _told(self, team: str, user: str, answer: AppResponse) -> AppResponse:
        if not answer.good:
            self.slack.notice(team, user, NO_ANSWER)
        return answer


def _used(blocks: list[dict[str, Any]], action: str, value: str | None, block_id: str) -> dict[str, Any]:
    """The element as the payload names it. Raises Refused when the message has no such element (any more)."""
    for place, (block, element) in enumerate(actions_of(blocks)):
        if element["action_id"] != action or (block_id and block.get("block_id") != block_id):
            continue
        used = {
            "type": element["type"],
            "action_id": action,
            "block_id": block.get("block_id", f"b{place}"),
            "action_ts": f"{time():.6f}",
        }
        if element["type"] == "button":
            if value not in (None, element.get("value")):
                continue
            return used | {"text": element["text"]} | ({"value": element["value"]} if "value" in element else {})
        for option in _options(element):
            if value in (None, option["value"]):
                return used | {"selected_option": option}
    raise Refused("no_such_action", f"the message has no {action} to use")


def _options(element: dict[str, Any]) -> list[dict[str, Any]]:
    grouped = [option for group in element.get("option_groups", ()) for option in group["options"]]
    return list(element.get("options") or grouped)


def _entered(view: View, values: dict[str, Any]) -> dict[str, Any]:
    """The state of a modal's inputs. Raises Refused, as Slack's own client does, when one is missing."""
    state: dict[str, Any] = {}
    for place, block in enumerate(view.body["blocks"]):
        if block["type"] != "input":
            continue
        name, element = block.get("block_id", f"b{place}"), block["element"]
        given = values.get(name)
        held: dict[str, Any] = {"type": element["type"]}
        if element["type"] == "plain_text_input":
            given = given if given is not None else element.get("initial_value")
            held["value"] = given or None
            too_long = len(given or "") > element.get("max_length", 3000)
            if too_long or len(given or "") < element.get("min_length", 0):
                raise Refused("invalid_input", f"{name} has the wrong length")
        elif element["type"] in ("checkboxes", "multi_static_select"):
            held["selected_options"] = [each for each in _options(element) if each["value"] in (given or [])]
        else:
            picked = [each for each in _options(element) if each["value"] == given]
            held["selected_option"] = picked[0] if picked else element.get("initial_option")
        if not block.get("optional") and not any(each for key, each in held.items() if key != "type"):
            raise Refused("invalid_input", f"{name} is required")
        state[name] = {element.get("action_id", f"a{place}"): held}
    return state
