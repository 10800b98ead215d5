"""What the person who did something is told: privately, and literally."""

from dataclasses import dataclass, field

from tuneloop_bot.blocks.content import MOST_BLOCKS
from tuneloop_bot.blocks.parts import Block, cut, escape, theirs


@dataclass(frozen=True)
class EphemeralReply:
    """`replace` puts it where the used message was.

    `button_to_link` adds a link that says who they are: its token is made when the answer is given, and kept nowhere.
    """

    text: str
    blocks: list[Block] = field(default_factory=list)
    replace: bool = False
    button_to_link: bool = False

    def body(self) -> dict[str, object]:
        blocks = self.blocks or [theirs(self.text)]
        return {
            "text": cut(escape(self.text), 1000),
            "blocks": blocks[:MOST_BLOCKS],
            "replace": self.replace,
            "button_to_link": self.button_to_link,
        }
