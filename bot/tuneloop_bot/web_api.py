"""Calls of Slack's Web API, and what its refusals mean for us."""

from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, ClassVar
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tuneloop.kit.crypto import Vault
from tuneloop.kit.settings import Settings
from tuneloop.tables import SlackInstallation

CALL_SECONDS = 10
GONE = {"invalid_auth", "account_inactive", "token_revoked", "not_authed", "team_access_not_granted", "missing_scope"}
NO_PLACE = {
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "restricted_action_non_threadable_channel",
}
PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}


class Later(Exception):
    """Try again after `seconds`; None: as late as repeated failures suggest."""

    transient = True

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(frozen=True)
class Refusal(Exception):
    """Slack said no for good; `code` is its error."""

    transient: ClassVar[bool] = False

    code: str
    detail: str = ""


class Calls:
    """One workspace's API."""

    def __init__(self, settings: Settings, installation: SlackInstallation) -> None:
        token = Vault(settings.secret_key.get_secret_value()).open(installation.bot_token)
        self.web = WebClient(token, base_url=settings.slack_api_url, timeout=CALL_SECONDS)

    def call(self, method: str, **args: Any) -> dict[str, Any]:
        """Raises Later when Slack is away or asks to wait, Refusal for every other error."""
        try:
            answer = self.web.api_call(method, json=args)
        except SlackApiError as error:
            raise _meaning(error) from error
        except (URLError, HTTPException, OSError) as error:
            raise Later(f"Slack does not answer: {error}") from error
        return dict(answer.data) if isinstance(answer.data, dict) else {}

    def ask(self, method: str, **args: Any) -> dict[str, Any]:
        """For methods that take a form rather than JSON."""
        try:
            answer = self.web.api_call(method, params=args)
        except SlackApiError as error:
            raise _meaning(error) from error
        except (URLError, HTTPException, OSError) as error:
            raise Later(f"Slack does not answer: {error}") from error
        return dict(answer.data) if isinstance(answer.data, dict) else {}

    def upload(self, content: bytes, *, name: str, title: str) -> str:
        """Id of the uploaded file, which is shared with nobody until a message shows it."""
        try:
            answer = self.web.files_upload_v2(content=content, filename=name, title=title)
        except SlackApiError as error:
            raise _meaning(error) from error
        except (URLError, HTTPException, OSError) as error:
            raise Later(f"Slack does not answer: {error}") from error
        return str(answer["files"][0]["id"])


def _meaning(error: SlackApiError) -> Exception:
    response = error.response
    if response.status_code == 429:
        return Later("Slack asks us to wait", float(response.headers.get("Retry-After", 1)))
    if response.status_code >= 500 or (isinstance(response.data, dict) and response.get("error") in PASSING):
        return Later(f"Slack is troubled: {response.status_code}")
    detail = "; ".join((response.get("response_metadata") or {}).get("messages") or [])
    return Refusal(str(response.get("error")), detail)
