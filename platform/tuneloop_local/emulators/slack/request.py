"""One call of the Web API."""

from dataclasses import dataclass
from typing import Any

from tuneloop_local.emulators.slack.refusals import Refused
from tuneloop_local.emulators.slack.workspace import Slack, Team


@dataclass(frozen=True)
class SlackRequest:
    slack: Slack
    team: Team
    args: dict[str, Any]
    site: str
    scopes: frozenset[str]

    def need(self, name: str) -> str:
        value = self.args.get(name)
        if not isinstance(value, str) or not value:
            raise Refused("invalid_arguments", f"missing required field: {name}")
        return value
