"""A migration as the API and the page show it."""

from decimal import Decimal

from sqlmodel import Session

from tuneloop.migration.savings import Saving
from tuneloop.migration.schemas import (
    HostedRead,
    MigrationRead,
    MigrationStepRead,
    PlanRead,
    RecordedRead,
    RecordingRead,
    SavingRead,
)
from tuneloop.migration.service import HostedModel, read_migration
from tuneloop.registry.external import MICROS, price
from tuneloop.tables import RegisteredModel


def show_migration(session: Session, model: RegisteredModel) -> MigrationRead:
    found = read_migration(session, model)
    plan, recorded, hosted = found.plan, found.recorded, found.hosted
    currency = hosted.endpoint.currency if hosted else ""
    return MigrationRead(
        steps=[MigrationStepRead.model_validate(step) for step in found.steps],
        next=found.next.key if found.next else None,
        hosted=_hosted(hosted) if hosted else None,
        plan=PlanRead(
            golden=plan.golden,
            traffic=plan.traffic,
            known=plan.golden + plan.traffic - plan.asking,
            requests=plan.asking,
            at_most=price(plan.most_cost),
            currency=currency,
        )
        if plan
        else None,
        recorded=RecordedRead(**(vars(recorded) | {"cost": price(recorded.cost)}), currency=currency)
        if recorded
        else None,
        latest=RecordingRead.model_validate(found.latest) if found.latest else None,
        saving=_saving(found.saving) if found.saving else None,
    )


def _hosted(found: HostedModel) -> HostedRead:
    return HostedRead(
        version=f"v{found.version.number}",
        service=found.host,
        model=found.endpoint.model_name,
        ends_on=found.ends_on,
        days_left=found.days_left,
        over=found.over,
        problem=found.endpoint.problem,
    )


def _saving(found: Saving) -> SavingRead:
    return SavingRead(
        answers=found.answers,
        days=found.days,
        per_month=Decimal(found.per_month) / MICROS,
        currency=found.currency,
    )
