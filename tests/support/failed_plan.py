"""A model with little data, and a plan of it that was approved and has failed."""

from sqlmodel import Session

from tests.support.checks import mark_checked
from tests.support.factories import make_base, make_client, make_model, owner_of
from tuneloop.datasets.service import add_example
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.registry.templates import Message
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import approve_retrain, cycles_of, fail_cycle, propose
from tuneloop.tables import Agency, Pool, RegisteredModel, RetrainingCycle, Source

WHY = "the adapter does not fit the base"
TEXTS = ((Pool.TRAINING, "Where is my parcel?"), (Pool.GOLDEN, "I want the money for my lamp back"))


def make_failed_plan(database: Database, agency: Agency, client: str = "acme") -> RetrainingCycle:
    """Of a new client's model `support`, by the usual recipe."""
    model = make_model(database, make_client(database, agency, client), make_base(database, f"base-{new_id()}"))
    with database.unit(agency.id) as session:
        give_data(session, agency, model)
        return fail_plan(session, agency, propose(session, principal=owner_of(agency), model=model, recipe=Recipe()))


def give_data(session: Session, agency: Agency, model: RegisteredModel) -> None:
    for pool, text in TEXTS:
        add_example(
            session,
            principal=owner_of(agency),
            model=model,
            pool=pool,
            messages=[Message(role="user", content=text)],
            expected="order",
            category="order",
            source=Source.IMPORT,
        )
    mark_checked(session, model)


def fail_plan(session: Session, agency: Agency, cycle: RetrainingCycle) -> RetrainingCycle:
    """Approve what waits, and let its training fail."""
    (question,) = questions(session, cycle.id)
    if question.decision is None:
        owner = owner_of(agency)
        approve_retrain(session, principal=owner, cycle_id=cycle.id, digest=question.subject_digest)
    fail_cycle(session, cycle_id=cycle.id, attempt=1, reason=WHY)
    session.flush()
    return cycle


def seeds(session: Session, model: RegisteredModel) -> list[int]:
    """Of all retrains of a model, the newest first."""
    return [cycle.recipe["seed"] for cycle in cycles_of(session, model)]
