"""Checks of examples against planted faults."""

import numpy as np
import pytest

from tuneloop_workers.quality.checks import check
from tuneloop_workers.quality.label_errors import find_suspected, out_of_fold
from tuneloop_workers.quality.near_duplicates import find_alike
from tuneloop_workers.quality.pii import Detector, find_personal
from tuneloop_workers.quality.record import ScanBatch, ScanRow

INTENTS = {
    "card_lost": ["lost", "stolen", "missing", "misplaced", "vanished"],
    "refund": ["refund", "money back", "reimbursed", "charge returned", "repaid"],
    "transfer": ["transfer", "wire", "send money", "payment abroad", "bank order"],
}
FRAMES = [
    "my {0} happened near {1} can you help",
    "hello there I have a question about {0} in {1}",
    "{0} please as soon as possible I am in {1}",
    "what do I do when {0} while visiting {1}",
    "I need assistance with {0} from {1} today",
]
PLACES = ["Leeds", "Turin", "Lyon", "Ghent"]


def row(text: str, answer: str, number: int = 0) -> ScanRow:
    return ScanRow(id=str(number), text=text, answer=answer, label=answer, texts={0: text, -1: answer})


@pytest.fixture(scope="module")
def clean() -> list[ScanRow]:
    rows: list[ScanRow] = []
    for label, words in INTENTS.items():
        for word in words:
            for frame in FRAMES:
                for place in PLACES:
                    rows.append(row(frame.format(word, place), label, len(rows)))
    return rows


@pytest.mark.failure_case(20)
def test_flipped_labels_are_ranked_first(clean: list[ScanRow]) -> None:
    """Target: the AUROC of the doubt in a label is at least 0.9 for planted flips of 8 %."""
    random = np.random.default_rng(3)
    flipped = set(random.choice(len(clean), size=24, replace=False).tolist())
    names = sorted(INTENTS)
    dirty = [
        each.model_copy(update={"label": (wrong := names[(names.index(each.label) + 1) % 3]), "answer": wrong})
        if index in flipped
        else each
        for index, each in enumerate(clean)
    ]
    labels = np.array([names.index(each.label) for each in dirty])
    doubt = 1 - out_of_fold([each.text for each in dirty], labels)[np.arange(len(dirty)), labels]
    is_flipped = np.array([index in flipped for index in range(len(dirty))])
    above = (doubt[is_flipped][:, None] > doubt[~is_flipped][None, :]).mean()
    assert above >= 0.9
    found = {int(finding.id) for finding in find_suspected(dirty)}
    assert len(found & flipped) >= 18
    assert len(found - flipped) <= 6
    (first, *_) = [finding for finding in find_suspected(dirty) if int(finding.id) in flipped]
    assert first.detail["suggested"] == clean[int(first.id)].label


def test_few_examples_are_not_judged(clean: list[ScanRow]) -> None:
    assert find_suspected(clean[:30]) == []
    assert find_suspected([each for each in clean if each.label == "refund"]) == []


def test_a_category_that_has_just_appeared_is_not_taken_for_errors(clean: list[ScanRow]) -> None:
    """Its questions use the words of the old categories, as those of a new product do."""
    words = ["lost refund", "stolen transfer", "missing wire", "money back order"]
    fresh = [row(FRAMES[0].format(word, place), "new", 1000 + n) for n, word in enumerate(words) for place in PLACES]
    for few in (fresh[:9], fresh):
        assert [each.id for each in find_suspected([*clean, *few]) if int(each.id) >= 1000] == []


EMOJI = "😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰😗😙😚🙂🤗🤩🤔🤨😐😑😶🙄😏😣😥😮🤐😯😪😫🥱😴😌😛😜😝🤤"
WORDLESS = {
    "emoji": list(EMOJI),
    "digits": [str(number**3) for number in range(40)],
    "single characters": [chr(ord("a") + number) for number in range(26)] + [chr(0x430 + n) for n in range(30)],
    "ideographs": [chr(0x4E00 + number) for number in range(40)],
    "punctuation": ["?" * (1 + number % 7) + "!" * (number // 7) for number in range(42)],
    "invisible": ["\u200d" * (1 + number) for number in range(40)],
    "nothing": [""] * 40,
}


@pytest.mark.parametrize("kind", WORDLESS)
@pytest.mark.parametrize("labels", [1, 2, 40])
def test_texts_without_words_are_checked_like_others(detector: Detector, kind: str, labels: int) -> None:
    rows = [row(text, f"label {number % labels}", number) for number, text in enumerate(WORDLESS[kind])]
    find_alike(rows, labels_known=True)
    find_suspected(rows)
    assert find_personal(rows, detector) == []


def test_a_wrong_label_is_suspected_by_letters_alone() -> None:
    happy, angry = [f"{face} 👍" for face in EMOJI[:20]], [f"{face} 👎" for face in EMOJI[20:]]
    rows = [row(text, "good" if text in happy else "bad", n) for n, text in enumerate(happy + angry)]
    rows[3] = row(rows[3].text, "bad", 3)
    assert [finding.id for finding in find_suspected(rows)] == ["3"]


def test_alike_with_another_answer_is_a_conflict_of_both() -> None:
    rows = [
        row("where is the parcel that I ordered on monday", "order", 1),
        row("Where is the parcel that I ordered on Monday?!", "refund", 2),
        row("where is the parcel that I ordered on mondays", "order", 3),
        row("the zip of my jacket is broken since yesterday", "repair", 4),
    ]
    found = find_alike(rows, labels_known=True)
    assert {(each.id, each.kind) for each in found} == {
        ("1", "conflict"),
        ("2", "conflict"),
        ("3", "conflict"),
        ("3", "duplicate"),
    }
    assert "'refund'" in next(each for each in found if each.id == "1").summary


def test_free_text_answers_differ_without_conflict() -> None:
    rows = [row("how long may I return it", "30 days.", 1), row("How long may I return it?", "Within a month.", 2)]
    assert find_alike(rows, labels_known=False) == []
    same = [rows[0], rows[1].model_copy(update={"answer": "30 days"})]
    assert [(each.id, each.kind) for each in find_alike(same, labels_known=False)] == [("2", "duplicate")]


@pytest.mark.parametrize(
    "texts",
    [
        [f"{number**3}" for number in range(60)],
        [chr(0x430 + number) for number in range(32)] + [chr(ord("a") + number) for number in range(26)],
    ],
    ids=["digits", "single characters"],
)
def test_texts_without_words_are_checked_too(texts: list[str]) -> None:
    rows = [row(text, ("order", "refund")[number % 2], number) for number, text in enumerate(texts)]
    report = check(ScanBatch(rows=rows, labels_known=True, fresh=[each.id for each in rows]))
    assert {finding.id for finding in report.findings} <= {each.id for each in rows}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to jane.roe@example.com or j.roe+x@mail.example.co.uk", ["EMAIL_ADDRESS", "EMAIL_ADDRESS"]),
        ("call me at +44 20 7946 0958 tonight", ["PHONE_NUMBER"]),
        ("my number is (212) 555-0143", ["PHONE_NUMBER"]),
        ("the card 4111 1111 1111 1111 was charged", ["CREDIT_CARD"]),
        ("pay to DE89 3704 0044 0532 0130 00 please", ["IBAN_CODE"]),
        ("it came from 192.168.10.24", ["IP_ADDRESS"]),
        ("Mrs. Okafor complained", ["PERSON"]),
        ("my name is Priya Raman and I wait", ["PERSON"]),
        ("please ask Sarah Connor about it", ["PERSON"]),
    ],
)
def test_personal_data_is_found(detector: Detector, text: str, kinds: list[str]) -> None:
    assert [span.entity for span in detector.spans(text)] == kinds


@pytest.mark.parametrize(
    "text",
    [
        "order 4711883 has not arrived, invoice 20260311",
        "the card 4111 1111 1111 1112 fails its checksum",
        "Visa Gold and Mastercard Platinum in New York",
        "version 2.10.3 costs 1299 EUR",
        "What is the May Fair tent made of?",
    ],
)
def test_what_only_looks_personal_is_left_alone(detector: Detector, text: str) -> None:
    assert detector.spans(text) == []


def test_a_finding_names_the_kinds_and_repeats_no_data(detector: Detector) -> None:
    rows = [row("I am Sarah Connor, sarah@example.com", "we call you at +44 20 7946 0958", 7), row("fine", "order", 8)]
    (finding,) = find_personal(rows, detector)
    assert finding.id == "7"
    assert finding.summary.startswith("Contains a person's name, an e-mail address and a phone number.")
    assert "sarah" not in finding.model_dump_json().lower()
    assert finding.detail["spans"] == [(0, 5, 17, "PERSON"), (0, 19, 36, "EMAIL_ADDRESS"), (-1, 15, 31, "PHONE_NUMBER")]
