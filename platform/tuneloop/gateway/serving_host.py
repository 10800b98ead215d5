"""What our serving host is asked besides questions: to have a version ready before traffic reaches it."""

import httpx

from tuneloop.kit.errors import Conflict, Unavailable
from tuneloop.kit.settings import Settings

LOAD_TIMEOUT_SECONDS = 120.0


class HostNotReady(Unavailable):
    """The serving host can't be reached or has no room now: try again."""

    code = "host_not_ready"


def preload(settings: Settings, digest: str) -> None:
    """Have the serving host load and verify a version.

    Raises:
        Conflict: the host refuses the version. HostNotReady: it can't say yet.
    """
    try:
        response = httpx.post(
            f"{settings.serve_url}/internal/load",
            json={"digest": digest},
            headers={"Authorization": f"Bearer {settings.serve_token.get_secret_value()}"},
            timeout=LOAD_TIMEOUT_SECONDS,
        )
    except httpx.HTTPError as error:
        raise HostNotReady(f"the serving host does not answer: {error}") from error
    if response.is_client_error:
        raise Conflict(f"the serving host refuses the version: {response.text[:500]}", digest=digest)
    if response.is_server_error:
        raise HostNotReady(f"the serving host answered {response.status_code}: {response.text[:500]}")
