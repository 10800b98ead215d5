"""A file before it is imported, on the terminal."""

from rich.console import Group
from rich.text import Text

from tuneloop.cli.render import Facts, Rows, last_message, plain, right, stack, text
from tuneloop.datasets.schemas import LabelInFileRead, PreviewRead, PreviewRowRead


def render_preview(seen: PreviewRead) -> Group:
    unknown = [each for each in seen.labels if each.known is None]
    problems = [Text(plain(f"  line {each.line}: {each.message}"), "yellow") for each in seen.problems]
    return stack(
        SEEN(seen),
        Text(plain(f"{seen.unclear}: name them with --text-column and --label-column"), "yellow")
        if seen.unclear
        else None,
        PREVIEW_ROWS(seen.rows) if seen.rows else None,
        UNKNOWN_LABELS(unknown) if unknown and not seen.unclear else None,
        *problems,
    )


SEEN = Facts[PreviewRead](
    ("File", lambda it: it.source),
    ("Text", lambda it: it.text),
    ("Answer", lambda it: it.answer),
    ("Category", lambda it: it.category),
    ("Left aside", lambda it: ", ".join(it.not_read)),
    ("Good rows", lambda it: it.good),
    ("With problems", lambda it: it.bad),
)
PREVIEW_ROWS = Rows[PreviewRowRead](
    right("Line", lambda it: it.line),
    text("Message", lambda it: last_message(it.messages, limit=120)),
    text("Answer", lambda it: it.expected),
)
UNKNOWN_LABELS = Rows[LabelInFileRead](
    text("Unknown label", lambda it: it.label),
    right("Rows", lambda it: it.rows),
    text("Closest", lambda it: it.closest or ""),
)
