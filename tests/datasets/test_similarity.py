"""Which texts count as the same or nearly the same, and that sketches find them."""

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.datasets.minhash import candidates, sketch
from tuneloop.datasets.similarity import NEAR_DUPLICATE, canonical, content_hash, overlap, shingles

WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
VOCABULARY = ["".join(random.Random(seed).choices("abcdefghijklmnoprstuvw", k=2 + seed % 9)) for seed in range(400)]
SHORT_QUESTIONS = [
    "Where is my order?",
    "Where is my refund?",
    "How do I cancel my order?",
    "How do I change my order?",
    "How do I change my address?",
    "How do I change my password?",
    "Can I return the blue shoes?",
    "Can I exchange the blue shoes?",
    "Is the red tent in stock?",
    "Is the red tent waterproof?",
    "My code does not work",
    "My login does not work",
    "Which size should I take?",
    "Which size did I order?",
    "5 €",
    "5 $",
    "👍",
    "👎",
    "yes",
    "no",
]


def alike(left: str, right: str) -> float:
    return overlap(shingles(left), shingles(right))


def sketch_of(text: str) -> bytes:
    return sketch(shingles(text))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Where is my ORDER??", "where is my order"),
        ("Where\u00a0is   my\n order!", "Where is my order."),
        ("don\u2019t", "don't"),
        ("ﬁne", "FINE"),
        ("Straße", "STRASSE"),
        ("re\u200bfund", "refund"),
        ("\u2764\ufe0f", "\u2764"),
        ("e\u0301t\u00e9", "\u00e9te\u0301"),
    ],
)
def test_case_punctuation_spacing_and_encoding_do_not_matter(text: str, same: str) -> None:
    assert canonical(text) == canonical(same)
    assert alike(text, same) == 1.0


@pytest.mark.parametrize(("text", "other"), [("5 €", "5 $"), ("2+2", "2 2"), ("👍", "👎"), ("??", "!!"), ("कि", "की")])
def test_what_carries_meaning_is_kept(text: str, other: str) -> None:
    assert canonical(text) != canonical(other)
    assert content_hash([text]) != content_hash([other])


@given(st.text(max_size=60))
def test_canonical_form_is_stable(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@given(st.lists(st.text(max_size=10), max_size=4), st.lists(st.text(max_size=10), max_size=4))
def test_the_hash_is_equal_exactly_when_all_parts_are(left: list[str], right: list[str]) -> None:
    same = [canonical(part) for part in left] == [canonical(part) for part in right]
    assert (content_hash(left) == content_hash(right)) is same


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_overlap_is_symmetric_within_bounds_and_one_for_the_same(left: str, right: str) -> None:
    assert 0.0 <= alike(left, right) == alike(right, left) <= 1.0
    assert alike(left, left.upper().lower()) == 1.0 or canonical(left) != canonical(left.upper().lower())


@given(st.lists(WORD, min_size=10, max_size=60), st.lists(WORD, max_size=1), st.booleans(), st.data())
def test_one_word_changed_added_or_removed_among_ten_is_a_near_duplicate(
    words: list[str], new: list[str], keep: bool, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(words) - 1))
    edited = [*words[:position], *new, *words[position + (not keep) :]]
    assert alike(" ".join(words), " ".join(edited)) >= NEAR_DUPLICATE


@given(st.lists(WORD, min_size=1, max_size=9), st.lists(st.text("0123456789", min_size=3, max_size=9), min_size=9))
def test_texts_without_a_common_word_or_letter_have_no_overlap(letters: list[str], digits: list[str]) -> None:
    assert alike(" ".join(letters), " ".join(digits)) == 0.0


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("Where's my parcel number 5512?", "wheres my parcell number 5512"),
        ("Please cancel my membership from June", "please cancle my membership from june"),
        ("Is the log in page down again today", "is the login page down again today"),
    ],
)
def test_a_typo_in_a_short_text_is_a_near_duplicate(text: str, edited: str) -> None:
    assert alike(text, edited) >= NEAR_DUPLICATE


def test_different_short_questions_are_not_near_duplicates() -> None:
    assert [pair for pair in combinations(SHORT_QUESTIONS, 2) if alike(*pair) >= NEAR_DUPLICATE] == []


def test_sketches_find_every_edited_copy_among_two_thousand_texts() -> None:
    chance = random.Random(5)
    texts = [chance.choices(VOCABULARY, k=chance.randint(10, 60)) for _ in range(2_000)]
    copies = []
    for words in texts[:500]:
        position = chance.randrange(len(words))
        copies.append([*words[:position], chance.choice(VOCABULARY), *words[position + 1 :]])
    pairs = candidates([sketch_of(" ".join(copy)) for copy in copies], [sketch_of(" ".join(words)) for words in texts])
    assert {(index, index) for index in range(500)} <= pairs
    assert len(pairs) < 600


def test_a_sketch_is_the_same_on_every_machine() -> None:
    assert sketch_of("Where is my order?")[:8].hex() == "b3599328d3ca371b"
    assert len(sketch_of("Where is my order?")) == 512
    assert len(sketch_of("word " * 100)) == 256


def test_nothing_is_a_candidate_of_nothing() -> None:
    assert candidates([], [sketch_of("a")]) == set()
    assert candidates([b""], [sketch_of("a"), b""]) == set()


def test_a_long_and_a_short_text_are_compared_by_words_alone() -> None:
    long = " ".join(VOCABULARY[:60])
    assert alike(long, "a") == 0.0
    assert alike(long, f"{long} again") > 0.9
