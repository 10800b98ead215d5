"""HTTP: economics."""

from dataclasses import asdict

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from tuneloop.clients.months import Month
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role
from tuneloop_billing.economics.schemas import (
    ChurnRead,
    ClientEconomicsRead,
    EconomicsRead,
    PlanFiguresRead,
    RevenueRead,
    ShownRead,
)
from tuneloop_billing.economics.service import ClientFigures, economics


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
            parts=RevenueRead(**asdict(found.earned)),
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
        parts=RevenueRead(**asdict(each.earned)),
        gpu_seconds=each.gpu_seconds,
        gpu_cost=each.gpu_cost,
        margin=each.margin,
        seconds=each.seconds,
        seconds_by_activity=each.seconds_by_activity,
        guide_seconds=each.guide_seconds,
        hourly=each.hourly,
        value=[ShownRead(**shown._asdict()) for shown in each.value],
    )
