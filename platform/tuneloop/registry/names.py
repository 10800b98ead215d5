"""Readable names: `acme/support`, `acme/support@v1.3`, `acme/support@production`; behind each is a digest."""

import re
from typing import NamedTuple

from tuneloop.kit.errors import InvalidInput

_NAME = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z0-9][a-z0-9-]{0,62})(?:@([a-z0-9.]{1,64}))?")


class ModelName(NamedTuple):
    client: str
    model: str
    version: str | None = None


def parse_name(text: str) -> ModelName:
    match = _NAME.fullmatch(text)
    if match is None:
        raise InvalidInput(f"{text!r} is not a model name; write client/model or client/model@v1.0", name=text)
    return ModelName(*match.groups())


def next_number(existing: list[str], *, from_base: bool) -> str:
    """`1.0` at first; continuing a version counts the minor number, rebuilding from the base the major one."""
    if not existing:
        return "1.0"
    major, minor = max(tuple(int(part) for part in number.split(".")) for number in existing)
    return f"{major + 1}.0" if from_base else f"{major}.{minor + 1}"
