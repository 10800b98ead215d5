"""An account at the local OpenAI with one tuned model, which ends with its base."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from tuneloop_local.emulators.openai.account import Account, HostedModel

KEY = "sk-of-the-tests"
BASE = "gpt-4o-mini-2024-07-18"
TUNED = f"ft:{BASE}:acme::A1b2C3d4"
LAST_DAY = date(2027, 1, 14)


def order_or_refund(messages: Sequence[dict[str, Any]]) -> str:
    return "refund" if "money back" in messages[-1]["content"] else "order"


def tuned_account() -> Account:
    account = Account(keys={KEY}, today=lambda: date(2026, 11, 30))
    account.add(HostedModel(BASE, lambda _messages: "Hello.", shutdown_date=LAST_DAY))
    account.add(HostedModel(TUNED, order_or_refund, owned_by="acme"))
    return account
