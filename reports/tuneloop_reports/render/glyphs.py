"""Can this machine's fonts draw what a report says? Asked of their character maps before anything is drawn.

What no font has would be an empty box, and nobody notices a box in a language that they do not read.
"""

import ctypes
import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import as_file, files

from fontTools import unicodedata as scripts
from fontTools.ttLib import TTFont

EAST_ASIAN = frozenset({"Hani", "Hira", "Kana", "Hang", "Bopo"})
FIRST_EMOJI, FIRST_RARE_HAN = 0x1F000, 0x20000
NAMED = 3
INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
OF_NOBODY = frozenset({"Cn", "Co", "Cs"})
"""Not assigned, for private use, or half a character: no font that one could install has them."""

_NOT_TEXT = re.compile(r"<style>.*?</style>|<[^>]*>", re.DOTALL)


class GlyphsMissing(RuntimeError):
    """No font on this machine draws some of the text; the message says what to install."""


class FontSet(ctypes.Structure):
    """fontconfig's FcFontSet."""

    _fields_ = (("count", ctypes.c_int), ("room", ctypes.c_int), ("fonts", ctypes.POINTER(ctypes.c_void_p)))


def drawable(page: str) -> str:
    """The HTML with U+FFFD in place of characters that no font can have.

    Raises:
        GlyphsMissing: fonts could have them, but none on this machine does.
    """
    undrawn = set(missing(html.unescape(_NOT_TEXT.sub(" ", page))))
    of_nobody = {each for each in undrawn if unicodedata.category(each) in OF_NOBODY}
    if fixable := sorted(undrawn - of_nobody):
        raise GlyphsMissing(what_to_install(fixable))
    return page.translate({ord(each): "\N{REPLACEMENT CHARACTER}" for each in of_nobody})


def missing(text: str) -> Iterator[str]:
    """Characters of the text that neither our own fonts nor this machine's have."""
    foreign = [each for each in sorted(set(text)) if ord(each) not in _own() and not _is_invisible(each)]
    if not foreign:
        return
    library = _fontconfig()
    maps = list(_character_maps(library))
    yield from (each for each in foreign if not any(library.FcCharSetHasChar(one, ord(each)) for one in maps))


def what_to_install(characters: Iterable[str]) -> str:
    """One sentence for whoever looks after the machine. It names code points: the text is the client's."""
    by_script: dict[str, list[str]] = defaultdict(list)
    for each in characters:
        by_script[scripts.script_name(scripts.script(each))].append(each)
    lacking = ", ".join(f"{script} ({_points(found)})" for script, found in by_script.items())
    packages = sorted({_package(each) for found in by_script.values() for each in found})
    return (
        f"no font on this machine draws {lacking}. On the machine whose worker takes the queue 'slow', run "
        f"'apt-get install {' '.join(packages)}' (Debian, Ubuntu) or install another font that has them"
    )


def _points(found: list[str]) -> str:
    named = ", ".join(f"U+{ord(each):04X}" for each in found[:NAMED])
    return f"{named} and {len(found) - NAMED} more" if len(found) > NAMED else named


def _package(character: str) -> str:
    if scripts.script(character) in EAST_ASIAN or "CJK" in scripts.block(character):
        return "fonts-noto-cjk" if ord(character) < FIRST_RARE_HAN else "fonts-hanazono"
    return "fonts-noto-color-emoji" if ord(character) >= FIRST_EMOJI else "fonts-noto-core"


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in INVISIBLE or "Variation Selectors" in scripts.block(character)


@cache
def _own() -> frozenset[int]:
    """What the fonts of this package have."""
    found: set[int] = set()
    for entry in files("tuneloop_reports").joinpath("fonts").iterdir():
        if entry.name.endswith(".ttf"):
            with as_file(entry) as path, TTFont(path, lazy=True) as font:
                found |= font.getBestCmap().keys()
    return frozenset(found)


def _fontconfig() -> ctypes.CDLL:
    """The library by which the text is laid out too, so that both know of the same fonts."""
    library = ctypes.CDLL("libfontconfig.so.1")
    library.FcConfigGetFonts.restype = ctypes.POINTER(FontSet)
    library.FcConfigGetFonts.argtypes = (ctypes.c_void_p, ctypes.c_int)
    library.FcPatternGetCharSet.argtypes = (
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_void_p),
    )
    library.FcCharSetHasChar.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    return library


def _character_maps(library: ctypes.CDLL) -> Iterator[ctypes.c_void_p]:
    installed = library.FcConfigGetFonts(None, 0)
    for place in range(installed.contents.count if installed else 0):
        characters = ctypes.c_void_p()
        if library.FcPatternGetCharSet(installed.contents.fonts[place], b"charset", 0, ctypes.byref(characters)) == 0:
            yield characters
