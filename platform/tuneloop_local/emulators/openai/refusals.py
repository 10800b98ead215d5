"""What the service refuses, in its own shape; the sentences are ours."""

from typing import Any

from litestar import Response

_PARAMETERS = """
    messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
    max_tokens metadata modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key reasoning_effort
    response_format safety_identifier seed service_tier stop store stream stream_options temperature tool_choice tools
    top_logprobs top_p user verbosity web_search_options"""
KNOWN = frozenset(_PARAMETERS.split())


class RefusedError(Exception):
    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self.headers = headers or {}

    def response(self) -> Response[dict[str, Any]]:
        return Response(self.body, status_code=self.status, headers=self.headers)


def require_sound(asked: dict[str, Any], *, reasoning: bool) -> None:
    """Raises RefusedError for what the real service does not take either."""
    for name in asked:
        if name not in KNOWN:
            raise RefusedError(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    if not isinstance(asked.get("messages"), list) or not asked["messages"]:
        raise RefusedError(400, "'messages' must be a list with at least one message.", param="messages")
    if "max_tokens" in asked and "max_completion_tokens" in asked:
        raise RefusedError(400, "Give max_tokens or max_completion_tokens, not both.", code="invalid_parameter")
    if asked.get("top_logprobs") is not None and not asked.get("logprobs"):
        raise RefusedError(400, "top_logprobs needs logprobs.", param="top_logprobs", code="invalid_value")
    if (asked.get("top_logprobs") or 0) > 20:
        raise RefusedError(400, "top_logprobs is at most 20.", param="top_logprobs", code="integer_above_max_value")
    if reasoning and "max_tokens" in asked:
        raise RefusedError(
            400, "This model takes 'max_completion_tokens' only.", param="max_tokens", code="unsupported_parameter"
        )
    if reasoning and asked.get("logprobs"):
        raise RefusedError(403, "This model gives no logprobs.")
