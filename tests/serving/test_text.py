import pytest

from tuneloop_workers.serving.text import TextStream


def stream(pieces: list[bytes], *stop: str) -> list[str]:
    text = TextStream(stop)
    parts = []
    for piece in pieces:
        parts.append(text.push(piece))
        if text.stopped:
            break
    return [*parts, text.finish()]


def test_a_character_split_over_tokens_appears_when_it_is_whole() -> None:
    assert stream([b" caf", b"\xc3", b"\xa9"]) == ["caf", "", "é", ""]


def test_text_that_may_begin_a_stop_string_is_held_back() -> None:
    assert stream([b"yes E", b"N", b"D no"], "END") == ["yes", "", "", ""]
    assert stream([b"yes E", b"x"], "END") == ["yes", " Ex", ""]


def test_surrounding_white_space_is_dropped_and_inner_kept() -> None:
    assert stream([b"  ", b" a", b" \n", b"b", b" \n"]) == ["", "a", "", " \nb", "", ""]


def test_an_incomplete_character_at_the_end_is_replaced() -> None:
    assert stream([b"a", b"\xc3"]) == ["a", "", "\ufffd"]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_text_does_not_depend_on_how_it_was_cut(size: int) -> None:
    raw = " The shop — open 9 bis 18 ;; closed Sunday".encode()
    parts = stream([raw[at : at + size] for at in range(0, len(raw), size)], ";;")
    assert "".join(parts) == "The shop — open 9 bis 18"
