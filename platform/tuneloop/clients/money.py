"""Amounts of money: integers in the currency's smallest unit."""

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from tuneloop.kit.errors import InvalidInput

# https://docs.stripe.com/currencies#zero-decimal and #three-decimal
_WITHOUT_DECIMALS = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf")
)
_THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
LARGEST = 99_999_999


def decimals(currency: str) -> int:
    return 0 if currency in _WITHOUT_DECIMALS else 3 if currency in _THREE_DECIMALS else 2


class Money(NamedTuple):
    """`amount` is in minor units, `currency` in lower-case ISO 4217."""

    amount: int
    currency: str

    def __str__(self) -> str:
        places = decimals(self.currency)
        return f"{Decimal(self.amount).scaleb(-places):,.{places}f} {self.currency.upper()}"


def parse(text: str, currency: str) -> Money:
    """Raises InvalidInput unless `text` is an amount that the currency can express, such as 1500 or 1500.00."""
    places = decimals(currency)
    try:
        minor = Decimal(text.replace(",", "")).scaleb(places)
    except InvalidOperation as error:
        raise InvalidInput(f"{text!r} is not an amount; write it like 1500.00") from error
    if minor != minor.to_integral_value() or not 0 <= minor <= LARGEST:
        raise InvalidInput(
            f"{text!r} is not an amount in {currency.upper()}; it has {places} decimals, and is not negative"
        )
    return Money(int(minor), currency)
