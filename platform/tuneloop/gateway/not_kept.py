"""Requests that are answered and leave nothing behind: told to, tests, and pings of proxies.

`store: false` is OpenAI's own. LiteLLM's health check cannot be marked by default, so its prompts are known here
(`proxy/health_check.py` and `DEFAULT_HEALTH_CHECK_PROMPT` in its `constants.py`); it asks for 16 tokens or fewer.
"""

from enum import StrEnum
from typing import Final

from litestar.datastructures import Headers

from tuneloop.gateway.errors import InvalidRequest
from tuneloop.gateway.schemas import ChatRequest

STORE_HEADER: Final = "X-Tuneloop-Store"
PURPOSE_HEADER: Final = "X-Tuneloop-Purpose"
PURPOSE_KEY: Final = "tuneloop_purpose"
STORED_HEADER: Final = "X-Tuneloop-Stored"

LITELLM_TAG: Final = "litellm-internal-health-check"
LITELLM_PROMPT: Final = "test from litellm"
LITELLM_QUESTIONS: Final = frozenset({"Hey how's it going?", "What's 1 + 1?"})
LITELLM_MOST_TOKENS: Final = 16


class NotKept(StrEnum):
    """Why a request is not kept."""

    STORE = "store"
    TEST = "test"
    HEALTH = "health"


PURPOSES: Final = {"test": NotKept.TEST, "health": NotKept.HEALTH}


def reason_not_kept(asked: ChatRequest, headers: Headers) -> NotKept | None:
    """None for what is kept: sampled, labelled, counted and shown.

    Raises:
        InvalidRequest: a header or key that says neither yes nor no: keeping what was meant to go would be worse.
    """
    stored = headers.get(STORE_HEADER, "").strip().lower()
    if stored not in {"", "true", "false"}:
        raise InvalidRequest(f"{STORE_HEADER} must be 'true' or 'false', not {stored!r}", param=STORE_HEADER)
    purpose = _purpose(asked.metadata.get(PURPOSE_KEY), f"metadata.{PURPOSE_KEY}") or _purpose(
        headers.get(PURPOSE_HEADER), PURPOSE_HEADER
    )
    if purpose is not None:
        return purpose
    if asked.store is False or stored == "false":
        return NotKept.STORE
    return NotKept.HEALTH if _is_litellm_s_ping(asked) else None


def _purpose(said: object, param: str) -> NotKept | None:
    if said is None:
        return None
    known = PURPOSES.get(said.strip().lower()) if isinstance(said, str) else None
    if known is None:
        raise InvalidRequest(f"{param} must be 'test' or 'health', not {said!r}; leave it out otherwise", param=param)
    return known


def _is_litellm_s_ping(asked: ChatRequest) -> bool:
    tags = asked.metadata.get("tags")
    if isinstance(tags, list) and LITELLM_TAG in tags:
        return True
    said = [message for message in asked.messages if message.role not in {"system", "developer"}]
    if len(said) != 1 or said[0].role != "user":
        return False
    text, most = said[0].plain().content.strip(), asked.max_completion_tokens or asked.max_tokens
    return text == LITELLM_PROMPT or (text in LITELLM_QUESTIONS and most is not None and most <= LITELLM_MOST_TOKENS)
