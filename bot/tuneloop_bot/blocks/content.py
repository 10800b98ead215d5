"""A message as it should be: blocks, the line that notifications show, and pictures to upload."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from tuneloop_bot.blocks.parts import Block, escape

MOST_BLOCKS = 50


@dataclass(frozen=True)
class Picture:
    """A Vega-Lite specification, drawn and uploaded when the message is sent; shown before block `at`."""

    spec: dict[str, Any]
    title: str
    alt: str
    at: int

    @property
    def digest(self) -> str:
        return sha256(orjson.dumps(self.spec, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


@dataclass(frozen=True)
class MessageContent:
    """`answers` are the predictions that the message shows, in order: replies in its thread can correct them."""

    notice: str
    blocks: list[Block]
    picture: Picture | None = None
    answers: list[UUID] = field(default_factory=list)

    @property
    def text(self) -> str:
        return escape(self.notice)[:1000]

    @property
    def digest(self) -> str:
        what = [self.text, self.blocks, self.picture.spec if self.picture else None]
        return sha256(orjson.dumps(what, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def with_picture(self, file: str | None) -> list[Block]:
        if self.picture is None or file is None:
            return self.blocks[:MOST_BLOCKS]
        image = {"type": "image", "slack_file": {"id": file}, "alt_text": self.picture.alt}
        return [*self.blocks[: self.picture.at], image, *self.blocks[self.picture.at :]][:MOST_BLOCKS]
