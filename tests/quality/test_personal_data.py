"""How much of the personal data in a set of messages in six languages is found, and how often it is seen in none."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tuneloop_workers.quality.pii import Detector

FILE = Path(__file__).with_name("personal_data.txt")
MARKED = re.compile(r"\{([A-Z_]+)\|([^}]+)\}")
RECALL, FALSE_ALARMS = 0.95, 0.02


class Message(NamedTuple):
    """`personal` are kind, start and end."""

    text: str
    personal: list[tuple[str, int, int]]


def messages() -> Iterator[Message]:
    for line in FILE.read_text().splitlines():
        if line.startswith("#"):
            continue
        text, personal, before = "", [], 0
        for match in MARKED.finditer(line):
            text += line[before : match.start()]
            personal.append((match[1], len(text), len(text) + len(match[2])))
            text += match[2]
            before = match.end()
        yield Message(text + line[before:], personal)


def test_nearly_all_is_found_and_hardly_anything_where_there_is_none() -> None:
    detector, missed, alarms, wanted, harmless = Detector(), [], [], 0, 0
    for message in messages():
        found = detector.spans(message.text)
        wanted += len(message.personal)
        missed += [
            (message.text[start:end], message.text)
            for kind, start, end in message.personal
            if not any(span.entity == kind and span.start <= start and span.end >= end - 1 for span in found)
        ]
        if not message.personal:
            harmless += 1
            alarms += [(message.text, found)] if found else []
    assert wanted >= 90
    assert harmless >= 120
    assert 1 - len(missed) / wanted >= RECALL, missed
    assert len(alarms) / harmless <= FALSE_ALARMS, alarms
