"""HTTP: economics."""

from typing import Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from pydantic import BaseModel

from tuneloop.clients.months import Month
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Activity, Role
from tuneloop_billing.economics.service import ClientFigures, economics


class ShownRead(BaseModel):
    model: str
    before: dict[str, Any]
    after: dict[str, Any]


class ClientEconomicsRead(BaseModel):
    """`hourly` is null while no time is written down; `value` is what retrains of the month did for accuracy."""

    client: str
    plan: str
    currency: str
    mrr: int
    revenue: int
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
    gpu_cost: int
    margin: int
    seconds: int
    hourly: int | None
    plans: list[PlanFiguresRead]
    clients: list[ClientEconomicsRead]
    elsewhere: list[ClientEconomicsRead]


class EconomicsController(Controller):
    path = "/api/v1/economics"
    tags = ("billing",)

    @get(role=Role.ADMIN, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession], month: FromQuery[str | None] = None) -> EconomicsRead:
        """Revenue, hours, cost and margin of a month, by client and by plan."""
        found = economics(session, month=Month.parse(month) if month else None)
        return EconomicsRead(
            month=found.month,
            currency=found.currency,
            mrr=found.mrr,
            churn=ChurnRead(left=found.left, of=found.at_start),
            revenue=found.revenue,
            gpu_cost=found.gpu_cost,
            margin=found.margin,
            seconds=found.seconds,
            hourly=found.hourly,
            plans=[PlanFiguresRead(**plan._asdict()) for plan in found.plans],
            clients=[_read(each) for each in found.clients],
            elsewhere=[_read(each) for each in found.elsewhere],
        )


def _read(each: ClientFigures) -> ClientEconomicsRead:
    return ClientEconomicsRead(
        client=each.client,
        plan=each.plan,
        currency=each.currency,
        mrr=each.mrr,
        revenue=each.revenue,
        gpu_seconds=each.gpu_seconds,
        gpu_cost=each.gpu_cost,
        margin=each.margin,
        seconds=each.seconds,
        seconds_by_activity=each.seconds_by_activity,
        guide_seconds=each.guide_seconds,
        hourly=each.hourly,
        value=[ShownRead(**shown._asdict()) for shown in each.value],
    )
