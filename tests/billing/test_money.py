"""Amounts are integers in the smallest unit of their currency."""

import pytest

from tuneloop.clients.money import Money, parse
from tuneloop.kit.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "currency", "amount", "shown"),
    [
        ("1500", "usd", 150_000, "1,500.00 USD"),
        ("1,500.05", "eur", 150_005, "1,500.05 EUR"),
        ("1500", "jpy", 1_500, "1,500 JPY"),
        ("1.505", "kwd", 1_505, "1.505 KWD"),
        ("0", "usd", 0, "0.00 USD"),
    ],
)
def test_an_amount_is_read_and_written(text: str, currency: str, amount: int, shown: str) -> None:
    money = parse(text, currency)
    assert money == Money(amount, currency)
    assert str(money) == shown


@pytest.mark.parametrize(
    ("text", "currency"),
    [("1.005", "usd"), ("1.5", "jpy"), ("-1", "usd"), ("NaN", "usd"), ("1e99", "usd"), ("x", "usd")],
)
def test_what_the_currency_can_t_express_is_refused(text: str, currency: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text, currency)


def test_a_credit_is_shown_with_its_sign() -> None:
    assert str(Money(-150, "usd")) == "-1.50 USD"
