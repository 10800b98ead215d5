"""People's work in the demo: what was done is counted, weeks are taken to a month, the speeds are the stated ones."""

import pytest

from tuneloop_local.demo.human import (
    CLICK,
    COLLECT,
    COMPARE,
    DECISION,
    DEPLOY,
    KEY,
    WEEKS_A_MONTH,
    WORDS_A_MINUTE,
    HumanEffort,
    Ledger,
    described,
    in_words,
    label,
    total,
)


def test_a_label_takes_reading_deciding_and_a_key() -> None:
    work = label("where is my parcel", typed=1)
    assert work == HumanEffort(labels=1, words=4, keys=1)
    assert work.seconds == pytest.approx(4 / WORDS_A_MINUTE * 60 + DECISION + KEY)


def test_a_click_takes_reading_deciding_and_pointing() -> None:
    ledger = Ledger()
    ledger.click(DEPLOY, words=119)
    assert total(ledger.a_month()).seconds == pytest.approx(30 + DECISION + CLICK)


def test_weeks_count_as_often_as_a_month_has_them_and_a_retrain_once() -> None:
    ledger = Ledger()
    for _ in range(2):
        ledger.week({COLLECT: HumanEffort(labels=100, words=1000, keys=100)})
    ledger.once({COMPARE: HumanEffort(labels=30, words=300, keys=30)})
    month = ledger.a_month()
    assert month[COLLECT].labels == round(100 * WEEKS_A_MONTH) == 435
    assert month[COMPARE] == HumanEffort(labels=30, words=300, keys=30)
    assert total(month).labels == 465


def test_the_summary_says_what_it_is_counted_from() -> None:
    ledger = Ledger()
    ledger.week({COLLECT: label("one two", typed=1)})
    ledger.click(DEPLOY, words=10)
    month = ledger.a_month()
    told = described(month)
    assert told["labels"] == 4
    assert told["clicks"] == 1
    assert told["minutes"] == pytest.approx(sum(each["minutes"] for each in told["activities"].values()))
    assert told["counted_with"]["words_a_minute"] == WORDS_A_MINUTE
    assert "4 labels and 1 clicks" in in_words(month)[0]


def test_nothing_done_is_no_work() -> None:
    assert total(Ledger().a_month()) == HumanEffort()
