"""Economics as the API shows them."""

from typing import Any

from pydantic import BaseModel

from tuneloop.tables import Activity


class ShownRead(BaseModel):
    model: str
    before: dict[str, Any]
    after: dict[str, Any]


class RevenueRead(BaseModel):
    """What revenue is made of: `invoiced` less everything but `at_risk`, which is disputed and not decided."""

    invoiced: int
    tax: int
    credited: int
    refunded: int
    lost: int
    given_up: int
    at_risk: int


class ClientEconomicsRead(BaseModel):
    """`hourly` is null below an hour of work; `value` is what retrains of the month did for accuracy."""

    client: str
    plan: str
    currency: str
    mrr: int
    revenue: int
    parts: RevenueRead
    gpu_seconds: int
    gpu_cost: int
    margin: int
    seconds: int
    seconds_by_activity: dict[Activity, int]
    guide_seconds: int
    hourly: int | None
    value: list[ShownRead]


class ChurnRead(BaseModel):
    left: int
    of: int


class PlanFiguresRead(BaseModel):
    plan: str
    clients: int
    revenue: int
    gpu_cost: int
    margin: int
    seconds: int


class EconomicsRead(BaseModel):
    """Amounts in minor units of `currency`; clients `elsewhere` are billed in another one and in no sum."""

    month: str
    currency: str
    mrr: int
    churn: ChurnRead
    revenue: int
    parts: RevenueRead
    gpu_cost: int
    margin: int
    seconds: int
    hourly: int | None
    plans: list[PlanFiguresRead]
    clients: list[ClientEconomicsRead]
    elsewhere: list[ClientEconomicsRead]
