"""Numbers in running text, in English and continental notation."""

import re
from decimal import Decimal

NUMBER = r"\d+(?:[.,]\d+)*"

_TOKEN = re.compile(rf"(?<![\w.,])[-\u2212]?{NUMBER}|(?<=[a-zA-Z$€£]){NUMBER}")
_COMMA_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_DOT_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})+")


def number_tokens(text: str) -> list[str]:
    """Signed numbers as they are written, in order."""
    return _TOKEN.findall(text)


def readings(token: str) -> frozenset[Decimal]:
    """What a written number may mean: "1.299" is 1.299 or 1299, "1,299" is 1299, "12,50" is 12.5."""
    negative = token[0] in "-\u2212"
    digits = token.lstrip("-\u2212")
    if _COMMA_THOUSANDS.fullmatch(digits):
        values = {digits.replace(",", "")}
    elif _DOT_THOUSANDS.fullmatch(digits):
        values = {digits.replace(".", "")} | ({digits} if digits.count(".") == 1 else set())
    else:
        whole, _, fraction = digits.replace(",", ".").rpartition(".")
        values = {f"{whole.replace('.', '')}.{fraction}"} if whole else {digits}
    return frozenset(-Decimal(value) if negative else Decimal(value) for value in values)
