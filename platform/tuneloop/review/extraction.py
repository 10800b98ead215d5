"""Questions and answers that a text gives, found by its form alone: the same text always gives the same ones."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

LONGEST_QUESTION = 2_000
LONGEST_ANSWER = 8_000
SHORTEST_SENTENCE = 12

_QUESTION: Final = re.compile(
    r"^\s*(?:\*\*)?(?:q|question|frage)(?:\s*\d+)?\s*[:.)]\s*(?:\*\*)?\s*(?P<text>\S.*)$", re.I
)
_ANSWER: Final = re.compile(r"^\s*(?:\*\*)?(?:a|answer|antwort)(?:\s*\d+)?\s*[:.)]\s*(?:\*\*)?\s*(?P<text>\S.*)$", re.I)
_HEADING: Final = re.compile(r"^\s{0,3}(?P<marks>#{1,6})\s+(?P<text>.+?)\s*#*$")
_UNDERLINE: Final = re.compile(r"^\s{0,3}(=+|-{3,})\s*$")
_ITEM: Final = re.compile(r"^\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+(?P<text>\S.*)$")
_TERM: Final = re.compile(r"^(?P<term>[^:\u2013\u2014]{2,80}?)\s*(?::|\u2013|\u2014|\s-\s)\s*(?P<text>\S.*)$")
_EMPHASIS: Final = re.compile(r"(\*\*|__|`)")


class ExtractedPair(NamedTuple):
    """A question with its answer; `how` says by what it was recognised."""

    question: str
    answer: str
    how: str


class _Line(NamedTuple):
    kind: str
    text: str


def extract_pairs(text: str) -> list[ExtractedPair]:
    """Question-and-answer pairs, headings with what stands below them, and list items that explain a term."""
    found: dict[str, ExtractedPair] = {}
    for pair in _pairs(_lines(text)):
        question, answer = pair.question.strip()[:LONGEST_QUESTION], pair.answer.strip()[:LONGEST_ANSWER]
        if question and answer:
            found.setdefault(question.casefold(), ExtractedPair(question, answer, pair.how))
    return list(found.values())


def extract_texts(text: str) -> list[str]:
    """Messages that a user might send: questions, list items and lines of their own. For models that classify."""
    found: dict[str, None] = {}
    for kind, line in _lines(text):
        if kind in ("question", "item", "text") and len(line) >= SHORTEST_SENTENCE:
            found.setdefault(line[:LONGEST_QUESTION])
    return list(found)


def _lines(text: str) -> list[_Line]:
    raw = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines: list[_Line] = []
    for number, line in enumerate(raw):
        following = raw[number + 1] if number + 1 < len(raw) else ""
        if not line.strip():
            lines.append(_Line("blank", ""))
        elif _UNDERLINE.match(line):
            continue
        elif heading := _HEADING.match(line):
            lines.append(_Line("heading", _plain(heading["text"])))
        elif _UNDERLINE.match(following) and len(line.strip()) <= 120 and not _ITEM.match(line):
            lines.append(_Line("heading", _plain(line)))
        elif question := _QUESTION.match(line):
            lines.append(_Line("question", _plain(question["text"])))
        elif answer := _ANSWER.match(line):
            lines.append(_Line("answer", _plain(answer["text"])))
        elif item := _ITEM.match(line):
            lines.append(_Line("question" if item["text"].rstrip().endswith("?") else "item", _plain(item["text"])))
        else:
            plain = _plain(line)
            lines.append(_Line("question" if plain.endswith("?") and len(plain) <= 300 else "text", plain))
    return lines


def _pairs(lines: list[_Line]) -> Iterator[ExtractedPair]:
    for number, (kind, text) in enumerate(lines):
        if kind == "question":
            if answer := _below(lines, number + 1, stop=("question", "heading")):
                yield ExtractedPair(text, answer, "question and answer")
        elif kind == "heading":
            following = next((line.kind for line in lines[number + 1 :] if line.kind != "blank"), "")
            if following in ("text", "item") and (body := _below(lines, number + 1, stop=("question", "heading"))):
                yield ExtractedPair(text, body, "heading and text")
        elif kind == "item" and (term := _TERM.match(text)):
            yield ExtractedPair(term["term"], term["text"], "list item")


def _below(lines: list[_Line], start: int, *, stop: tuple[str, ...]) -> str:
    """What stands below a line, until one of the kinds; items keep a mark."""
    body: list[str] = []
    for kind, text in lines[start:]:
        if kind in stop:
            break
        body.append(f"- {text}" if kind == "item" else text)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(body)).strip()


def _plain(text: str) -> str:
    return _EMPHASIS.sub("", text).strip()
