"""One way of writing a text, and names that cannot be told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.kit.clean_text import clean, clean_name, look, shown


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Ru\u0308ckgabe", "Rückgabe"),
        ("\ufeffone\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a\x00b\x1bc\x9fd\te\n", "abcd\te\n"),
        ("👩\u200d🔧 ❤\ufe0f کرم\u200cها", "👩\u200d🔧 ❤\ufe0f کرم\u200cها"),  # noqa: RUF001
        ("lone \ud83d half", "lone  half"),
    ],
)
def test_a_text_is_written_in_one_way(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert clean_name(clean_name(text)) == clean_name(text)
    clean(text).encode()


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Rückgabe", "Ru\u0308ckgabe"),
        ("Rückgabe", "rückgabe"),
        ("Rückgabe", "Rückgabe\u200b"),
        ("order status", "order\u00a0 status "),
        ("order", "оrder"),  # noqa: RUF001 - the first letter is Cyrillic
        ("refund", "ｒｅｆｕｎｄ"),  # noqa: RUF001
        ("e-mail", "e\u2011mail"),
        ("left", "\u202eleft\u202c"),
        ("Straße", "STRASSE"),
    ],
)
def test_names_that_look_alike_have_one_look(name: str, other: str) -> None:
    assert look(name) == look(other)


@pytest.mark.parametrize(("name", "other"), [("Rückgabe", "Ruckgabe"), ("order", "orders"), ("a_b", "a b"), ("1", "2")])
def test_names_that_can_be_told_apart_have_two(name: str, other: str) -> None:
    assert look(name) != look(other)


def test_what_cannot_be_seen_is_shown_by_its_code_point() -> None:
    assert shown("Rückgabe\u200b") == "'Rückgabe<U+200B>'"
    assert shown("Ru\u0308ckgabe") == "'Ru<U+0308>ckgabe'"
    assert shown("оrder") == "'<U+043E>rder'"  # noqa: RUF001
    assert shown("order\u00a0status") == "'order<U+00A0>status'"
    assert shown("Größe – “x”") == "'Größe – “x”'"  # noqa: RUF001
