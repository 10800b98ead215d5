"""No report has an empty box in place of a letter: what no font draws is said, with what to install."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reports.sample import content
from tests.reports.test_document import text_of
from tuneloop_reports.render.glyphs import GlyphsMissing, drawable, missing, what_to_install
from tuneloop_reports.render.renderer import FontsMissing, Renderer

WRITTEN = {
    "Chinese": "请问我的订单什么时候到",
    "Japanese": "ジャケットの修理",
    "Korean": "환불은 언제 되나요",
    "Hindi": "मेरा ऑर्डर कहाँ है",
    "Arabic": "أين طلبي",
    "Thai": "คำสั่งซื้อ",
    "Hebrew": "איפה ההזמנה",
    "emoji": "😀🎉👍🏽 👩‍👩‍👧",
    "Greek, Russian, Polish, Vietnamese": "Πού Где źdźbło ở đâu",
}
RARE = range(0x30000, 0x30100)
"""Han that dictionaries have and hardly any font."""


@pytest.fixture
def rare() -> str:
    found = next(missing("".join(map(chr, RARE))), None)
    if found is None:
        pytest.skip("this machine's fonts draw even the rarest Han")
    return found


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    made = Renderer()
    yield made
    made.close()


def test_every_language_is_drawn_or_refused_with_what_to_install(renderer: Renderer) -> None:
    lacking = {name for name, text in WRITTEN.items() if any(missing(text))}
    said = text_of(renderer.render(content(note=" ".join(WRITTEN[name] for name in WRITTEN.keys() - lacking))).pdf)
    for name in WRITTEN.keys() - lacking - {"Arabic", "Hebrew", "Hindi", "Thai", "emoji"}:
        assert WRITTEN[name].replace(" ", "") in said.replace(" ", ""), name  # the others' glyphs are not one a letter
    if lacking:
        with pytest.raises(FontsMissing, match="apt-get install fonts-noto"):
            renderer.render(content(note=" ".join(WRITTEN[name] for name in lacking)))


def test_what_no_font_here_draws_is_named_by_script_and_package(renderer: Renderer, rare: str) -> None:
    with pytest.raises(FontsMissing) as refused:
        renderer.render(content(client=f"Acme {rare}"))
    assert refused.value.message.startswith(f"no font on this machine draws Han (U+{ord(rare):04X}). ")
    assert "apt-get install fonts-hanazono" in refused.value.message
    assert rare not in refused.value.message
    assert refused.value.transient


def test_what_nobody_can_install_a_font_for_holds_nothing_up() -> None:
    assert drawable("<p>Acme \ue000 &amp; \u0378</p>") == "<p>Acme \ufffd &amp; \ufffd</p>"


def test_what_is_not_seen_needs_no_glyph() -> None:
    assert not list(missing("a\u200b\u200d\ufeff\u00ad\u00a0\ufe0f\n\t"))


def test_the_packages_go_by_script() -> None:
    said = what_to_install("漢字かなカ한ह😀")
    assert "Han (U+6F22, U+5B57), Hiragana (U+304B, U+306A), Katakana (U+30AB), Hangul (U+D55C)" in said
    assert "'apt-get install fonts-noto-cjk fonts-noto-color-emoji fonts-noto-core'" in said
    assert "U+3042, U+3043, U+3044 and 2 more" in what_to_install("あぃいぅう")


def test_only_what_is_drawn_is_asked_about(tmp_path: Path) -> None:
    """With no font but our own, in a process whose font configuration is empty."""
    unseen = "<style>p::before { content: '\u0905' }</style><p title=\"\u0905\">x</p>"
    program = "import sys; from tuneloop_reports.render.glyphs import drawable; [*map(drawable, sys.argv[1:])]"
    empty = tmp_path / "fonts.conf"
    empty.write_text('<?xml version="1.0"?><fontconfig/>')
    ended = subprocess.run(
        [sys.executable, "-c", program, unseen, "<p>\u0928\u0905</p>"],
        env={"FONTCONFIG_FILE": str(empty), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{GlyphsMissing.__name__}: no font on this machine draws Devanagari (U+0905, U+0928)" in ended.stderr
