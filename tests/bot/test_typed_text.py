"""What people type reaches the product as they typed it, whatever Slack makes of it on the way."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuneloop_bot.typed_text import typed_text
from tuneloop_local.emulators.slack.typed import as_sent


@pytest.mark.parametrize(
    ("sent", "typed"),
    [
        ("1 should be: R&amp;D", "1 should be: R&D"),
        ("a &lt;b&gt; c", "a <b> c"),
        ("write to <mailto:jo@acme.example|jo@acme.example>", "write to jo@acme.example"),
        ("<mailto:jo@acme.example>", "jo@acme.example"),
        ("see <https://acme.example/a?b=1&amp;c=2>", "see https://acme.example/a?b=1&c=2"),
        ("see <http://acme.example|acme.example>", "see acme.example"),
        ("ask <@U123> in <#C1|general>", "ask @U123 in #general"),
        ("the text &amp;amp; itself", "the text &amp; itself"),
    ],
)
def test_escapes_and_links_are_undone_once(sent: str, typed: str) -> None:
    assert typed_text(sent) == typed


@given(st.text(st.sampled_from("&<>|;ampltg @.:/#!jo acme.example https://x"), max_size=40))
@example("jo@acme.example & <https://acme.example/?a=1&b=2>")
def test_what_is_typed_arrives(typed: str) -> None:
    assert typed_text(as_sent(typed)) == typed
