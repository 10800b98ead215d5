"""What clients send beside the question: without effect here, and named, or refused since the answer would differ."""

import re
from typing import Final

from tuneloop.gateway.errors import UnsupportedParameter
from tuneloop.gateway.schemas import ChatRequest
from tuneloop.registry.contract import Task

IGNORED_HEADER: Final = "X-Tuneloop-Ignored"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_NAMED: Final = 20

_HONOURED: Final = frozenset({"parallel_tool_calls", "service_tier", "prompt_cache_key", "prompt_cache_retention"})
"""There is nothing to call in parallel, one tier, and a cache that needs no key."""

_OF_THE_ANSWER: Final = frozenset(
    {"tools", "tool_choice", "functions", "function_call", "response_format", "modalities", "audio", "logit_bias"}
    | {"prediction", "web_search_options"}
)
"""Whoever sends one expects another kind of answer."""

_OF_FREE_TEXT: Final = frozenset(
    {"stop", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty"}
)
"""They change a text that is written freely, and never which label is the most probable."""


def without_effect(asked: ChatRequest, task: Task) -> list[str]:
    """Names of what was sent and has no effect on this answer.

    Raises:
        UnsupportedParameter: it would have one, and is not honoured here.
    """
    sent = asked.model_extra or {}
    refused = _OF_THE_ANSWER | (_OF_FREE_TEXT if task is Task.GENERATE else frozenset())
    for name in sent:
        if name in refused:
            raise UnsupportedParameter(name)
    named = (name for name in sent if name not in _HONOURED and _NAME.fullmatch(name))
    return sorted(named)[:_MOST_NAMED]
