"""What was asked and answered, before anything judges it: no scorer is loaded for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson

from tuneloop.registry.templates import Message
from tuneloop.tables import Example, ReviewItem

Conversation = Sequence[Message]


@dataclass(frozen=True)
class Given:
    """What a version answered to one item; `problem` says why it did not. Confidence is None where nobody tells it.

    Tokens are those that an external version's service has counted, and asks money for.
    """

    text: str
    confidence: float | None
    margin: float | None
    problem: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


def cache_key(manifest_digest: str, conversation: Conversation) -> str:
    """Digest under which an answer may be reused: the manifest names base, adapters, prompt, decoding and engine."""
    turns = [(message.role, message.content) for message in conversation]
    return sha256(orjson.dumps((manifest_digest, turns))).hexdigest()


def conversation_of(labelled: Example | ReviewItem) -> tuple[Message, ...]:
    return tuple(Message.model_validate(message) for message in labelled.messages)
