"""Personal data by its place in an example, and the example with placeholders in these places."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import orjson

from tuneloop.datasets.leakage import stored_messages
from tuneloop.registry.templates import Message
from tuneloop.tables import Example

ANSWER: Final = -1
PLACEHOLDERS: Final = {
    "EMAIL_ADDRESS": "<EMAIL>",
    "PHONE_NUMBER": "<PHONE>",
    "CREDIT_CARD": "<CARD>",
    "IBAN_CODE": "<ACCOUNT>",
    "ADDRESS": "<ADDRESS>",
    "IP_ADDRESS": "<IP>",
    "US_SSN": "<SSN>",
    "PERSON": "<PERSON>",
}


class TextSpan(NamedTuple):
    """Letters `start` to `end` of the message at `place`, or of the answer where that is `ANSWER`."""

    place: int
    start: int
    end: int
    entity: str


def spans_of(detail: Mapping[str, Any]) -> list[TextSpan]:
    """As a finding keeps them."""
    return [TextSpan(*each) for each in detail.get("spans", ())]


def texts_of(example: Example) -> dict[int, str]:
    """All that people wrote, by place: the system's own prompt is not any client's secret."""
    messages = {
        place: message.content for place, message in enumerate(stored_messages(example)) if message.role != "system"
    }
    return messages | {ANSWER: example.expected}


def text_digest(example: Example) -> str:
    """Changes with any letter."""
    return sha256(orjson.dumps([example.messages, example.expected])).hexdigest()


def without_personal_data(example: Example, spans: Sequence[TextSpan]) -> tuple[tuple[Message, ...], str]:
    """Messages and answer with placeholders."""
    texts = texts_of(example)
    for span in sorted(spans, key=lambda each: each.start, reverse=True):
        text = texts[span.place]
        texts[span.place] = text[: span.start] + PLACEHOLDERS.get(span.entity, "<REMOVED>") + text[span.end :]
    messages = tuple(
        message.model_copy(update={"content": texts.get(place, message.content)})
        for place, message in enumerate(stored_messages(example))
    )
    return messages, texts[ANSWER]
