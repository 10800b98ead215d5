import pytest

from tuneloop.evaluation.scorers.grounding import grounded, is_hallucination, unsupported_spans
from tuneloop.evaluation.scorers.item import EvalItem
from tuneloop.evaluation.scorers.reply import ReplyScorer, critical_spans
from tuneloop.registry.templates import Message

FACTS = """
Ida Marlowe founded Acme Outfitters. The shop is at 18 Mill Lane in Fernhill; its manager is Priya Nolan.
We are open Monday to Saturday from 9 am to 6 pm. Closed on 25 December. Phone 555-0142, hello@acme.example.
Standard delivery costs $4.95 and takes 3 to 5 working days, express $12.50. Students get 10% off.
Tents carry a 3-year warranty. The summer sale runs from 12 June to 28 June. Use the code TRAIL10.
"""


def _item(question: str, expected: str = "", facts: str = FACTS) -> EvalItem:
    return EvalItem("1", (Message(role="user", content=question),), expected, "any", facts=facts)


@pytest.mark.parametrize(
    "answer",
    [
        "Standard delivery is USD 4.95 and needs three to five days.",
        "We're open on Wednesday from 9:00 to 18:00.",
        "Dial 5550142 or write to HELLO@acme.example.",
        "The sale is on from 12 to 28 June.",
        "Ask for Ms Nolan at 18 Mill Lane.",
        "With TRAIL10 it is cheaper, and students get 10 percent off.",
        "Thanks for asking! I'm happy to help.",
        "",
    ],
)
def test_what_the_facts_say_is_supported_however_it_is_written(answer: str) -> None:
    assert unsupported_spans(_item("hi"), answer) == ()
    assert not is_hallucination(_item("hi"), answer)


@pytest.mark.parametrize(
    ("answer", "span"),
    [
        ("Standard delivery is $5.95.", "$5.95"),
        ("Standard delivery is 4.95 €.", "4.95 €"),
        ("It takes 7 working days.", "7"),
        ("The warranty lasts 3 months.", "3"),
        ("We are open on Sunday.", "Sunday"),
        ("We close at 8 pm.", "8 pm"),
        ("The sale ends on 30 June.", "30 June"),
        ("The sale ends on 28 June 2019.", "28 June 2019"),
        ("Call 555-0199.", "555-0199"),
        ("Students get 15% off.", "15%"),
        ("Use the code TRAIL20.", "TRAIL20"),
        ("Write to help@acme.example.", "help@acme.example"),
        ("Our manager is Tomas Weller.", "Tomas Weller"),
    ],
)
def test_a_wrong_value_is_unsupported_and_named(answer: str, span: str) -> None:
    item = _item("hi")
    assert [found.text for found in unsupported_spans(item, answer)] == [span]
    assert is_hallucination(item, answer)
    assert span in grounded(item, answer).detail


def test_what_the_customer_said_may_be_repeated() -> None:
    item = _item("I'm Tom, order 4711, can you deliver on Sunday?")
    assert not is_hallucination(item, "Sorry Tom, order 4711 can't come on Sunday.")


def test_another_products_price_is_a_hallucination_although_the_facts_contain_it() -> None:
    item = _item("How much is express?", expected="Express costs $12.50.")
    assert not is_hallucination(item, "Express is $12.50, standard $4.95.")
    assert is_hallucination(item, "Express is $4.95.")


def test_the_old_value_in_the_question_does_not_excuse_it_as_the_answer() -> None:
    item = _item("Is delivery still $3.95?", expected="Delivery is $4.95 now.")
    assert is_hallucination(item, "Yes, it is $3.95.")


def test_a_label_outside_the_set_is_a_hallucination() -> None:
    item = EvalItem("1", (), "refund", "refund", labels=("refund", "order"))
    assert not is_hallucination(item, "order")
    assert is_hallucination(item, "refunds")


def test_grounded_is_the_share_of_supported_statements() -> None:
    score = grounded(_item("hi"), "Standard is $4.95 and express $13.")
    assert (score.value, score.correct) == (0.5, False)
    assert score.detail == "unsupported: price $13"


@pytest.mark.parametrize(
    ("answer", "correct"),
    [
        ("We are there Monday to Saturday, 9:00-18:00.", True),
        ("From 9 am to 6 pm, Mon-Sat.", True),
        ("We are open from 9 am to 6 pm.", False),
        ("Monday to Saturday from 9 am to 5 pm.", False),
        ("Monday to Saturday, 9 am to 6 pm, and Sunday too.", False),
        ("", False),
    ],
)
def test_a_reply_is_right_when_it_makes_every_expected_statement_and_no_other(answer: str, correct: bool) -> None:
    item = _item("When are you open?", expected="Monday to Saturday from 9 am to 6 pm.")
    score = ReplyScorer()(item, answer)
    assert score.correct == correct
    assert (score.detail == "") == correct


def test_a_reply_says_what_is_missing_and_what_is_invented() -> None:
    item = _item("What does delivery cost?", expected="Standard delivery costs $4.95.")
    score = ReplyScorer()(item, "Standard delivery costs $7.")
    assert (score.value, score.detail) == (0.0, "unsupported: price $7; missing: price $4.95")


def test_the_same_number_of_something_else_does_not_count() -> None:
    item = _item("How long is the tent's warranty?", expected="Tents have a 3-year warranty.")
    assert ReplyScorer()(item, "You have 3 years.").correct
    assert not ReplyScorer()(item, "It takes 3 to 5 working days.").correct


def test_what_the_question_says_need_not_be_repeated() -> None:
    item = _item("Are you open on Thursday?", expected="Yes, on Thursday from 9 am to 6 pm.")
    assert [span.text for span in critical_spans(item)] == ["9 am", "6 pm"]
    assert ReplyScorer()(item, "Yes, 9 am to 6 pm.").correct


def test_no_is_not_yes() -> None:
    item = _item("Is the shop open on 25 December?", expected="No, we are closed on that day.")
    assert not ReplyScorer()(item, "Yes, we are closed on that day.").correct
    assert ReplyScorer()(item, "No, we are closed that day.").correct


def test_a_reply_without_checkable_statements_is_compared_by_wording() -> None:
    item = _item("Can I bring my dog?", expected="Dogs are welcome in the shop.")
    assert ReplyScorer()(item, "Yes, dogs are very welcome in our shop.").correct
    assert not ReplyScorer()(item, "Please ask somebody else.").correct
