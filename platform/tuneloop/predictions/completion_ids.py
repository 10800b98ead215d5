"""Completion ids, as the gateway hands them out: `chatcmpl-` and the prediction's id in hex."""

from uuid import UUID

from tuneloop.kit.errors import NotFound

PREFIX = "chatcmpl-"


def completion_id(prediction_id: UUID) -> str:
    return f"{PREFIX}{prediction_id.hex}"


def prediction_id(completion: str) -> UUID:
    """Raises NotFound for what is not one of our completion ids."""
    try:
        return UUID(hex=completion.removeprefix(PREFIX))
    except ValueError:
        raise NotFound("completion", completion) from None
