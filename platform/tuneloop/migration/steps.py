"""The steps from a hosted model to one of our own, read from the rows: nobody ticks them off."""

from typing import NamedTuple

from sqlmodel import Session, col, select

from tuneloop.datasets.service import pool_size
from tuneloop.evaluation.recording import Recorded
from tuneloop.evaluation.recording_plan import RecordingPlan
from tuneloop.registry.service import aliases, full_name, is_external
from tuneloop.retraining.attempts import comparison_of
from tuneloop.retraining.events import AT_WORK
from tuneloop.retraining.verdicts import gate_state
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    AbTest,
    AdapterVersion,
    Alias,
    CycleState,
    Pool,
    Prediction,
    Recording,
    RegisteredModel,
    RetrainingCycle,
    ShadowTest,
)


class MigrationStep(NamedTuple):
    """`address` is the page that does it; without the `optional` ones the migration is complete too."""

    key: str
    title: str
    says: str
    address: str
    done: bool
    optional: bool = False


def steps_without_service(session: Session, model: RegisteredModel) -> list[MigrationStep]:
    return _preparation(session, model, hosted=None)


def steps(
    session: Session,
    model: RegisteredModel,
    *,
    hosted: AdapterVersion,
    plan: RecordingPlan,
    recorded: Recorded,
    latest: Recording | None,
) -> list[MigrationStep]:
    """In the order in which one goes."""
    home = f"/models/{full_name(session, model)}"
    cycle = _cycle(session, model, hosted)
    at_cycle = f"/cycles/{cycle.id}" if cycle else home
    trained = cycle is not None and cycle.candidate_version_id is not None
    tested = cycle is not None and _exists(session, AbTest, AbTest.cycle_id == cycle.id)
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    switched = production is not None and not is_external(production)
    return [
        *_preparation(session, model, hosted=hosted),
        MigrationStep(
            "record",
            "Record its answers",
            _recording_says(plan, recorded, latest),
            f"{home}/migration#recording",
            recorded.golden > 0 and not plan.asking and not recorded.waiting,
        ),
        MigrationStep("train", "Train a version of your own", _training_says(cycle), at_cycle, trained or switched),
        MigrationStep(
            "prove",
            "Prove that nothing is lost",
            _proof_says(session, cycle),
            f"{home}/review" if cycle is not None and gate_state(session, cycle).waits_for_labels else at_cycle,
            switched or _proven(session, cycle),
        ),
        MigrationStep(
            "shadow",
            "Let it answer unseen",
            "A shadow test: it answers some of the live questions too, production's answers are what people get.",
            f"{at_cycle}#shadow" if cycle else home,
            cycle is not None and _exists(session, ShadowTest, ShadowTest.cycle_id == cycle.id),
            optional=True,
        ),
        MigrationStep(
            "try",
            "Let it answer a share of the people",
            "An A/B test: harm stops it, and the others notice nothing.",
            at_cycle,
            tested,
            optional=True,
        ),
        MigrationStep(
            "switch",
            "Switch",
            "Put it into production. The service's version stays one click away, as long as it answers.",
            at_cycle,
            switched,
        ),
    ]


def _preparation(session: Session, model: RegisteredModel, *, hosted: AdapterVersion | None) -> list[MigrationStep]:
    home = f"/models/{full_name(session, model)}"
    training, golden = (pool_size(session, model, pool) for pool in (Pool.TRAINING, Pool.GOLDEN))
    asked = hosted is not None and _exists(session, Prediction, Prediction.version_id == hosted.id)
    return [
        MigrationStep(
            "service",
            "Bring the hosted model here",
            "Its address, its name there, a key and the prices. It answers through here from then on.",
            f"{home}/versions#hosted",
            hosted is not None,
        ),
        MigrationStep(
            "connect",
            "Send its traffic through here",
            "Another address and key in the client's application, and nothing else. What people ask is what a new "
            "version has to answer as well.",
            f"{home}/connect",
            asked,
            optional=True,
        ),
        MigrationStep(
            "training",
            "Import the file that it was trained on",
            f"{training} examples are here. The JSONL for fine-tuning is read as it is.",
            f"{home}/data/import",
            training > 0,
        ),
        MigrationStep(
            "golden",
            "Import what measures",
            f"{golden} examples are here; 200 are a good number. Take none that either was trained on: the "
            "validation file, or answers of its traffic that people have labelled.",
            f"{home}/data/import",
            golden > 0,
        ),
    ]


def _recording_says(plan: RecordingPlan, recorded: Recorded, latest: Recording | None) -> str:
    if recorded.waiting:
        return f"{recorded.waiting} questions wait for its answers."
    if latest is not None and latest.problem:
        return f"It ended early: {latest.problem}."
    if plan.asking:
        return f"{plan.asking} questions are to be put to it. They are what a new version is compared with afterwards."
    return f"{recorded.golden} of golden items and {recorded.traffic} of traffic are kept."


def _training_says(cycle: RetrainingCycle | None) -> str:
    if cycle is None:
        return "Propose a retrain: you see time and cost before you say yes."
    if cycle.state is CycleState.PROPOSED:
        return "It waits for an approval."
    if cycle.state is CycleState.FAILED:
        return f"It failed: {cycle.failure or 'see the cycle'}. Propose it again."
    if cycle.state is CycleState.REJECTED:
        return "The last candidate was turned down. Look at why, and propose another."
    return "It is at work." if cycle.state in AT_WORK else "It is trained."


def _proof_says(session: Session, cycle: RetrainingCycle | None) -> str:
    what = "Both answer the same questions. It must not be worse by more than the policy's margin"
    if cycle is None:
        return f"{what}; where they differ, people say blind who is right."
    found = gate_state(session, cycle)
    if found.waits_for_labels:
        needed = f"about {found.needed} more" if found.needed else "some"
        return f"They differ on {found.disagreements} of {found.queries} questions; {needed} labels decide it."
    if found.outcome is Outcome.NEED_MORE_LABELS:
        return f"Not proven yet: {'; '.join(found.reasons[:1])}"
    return f"{found.reasons[0]}" if found.outcome and found.reasons else f"{what}."


def _proven(session: Session, cycle: RetrainingCycle | None) -> bool:
    found = comparison_of(session, cycle.id) if cycle is not None else None
    return found is not None and found.outcome == Outcome.PROMOTE


def _cycle(session: Session, model: RegisteredModel, hosted: AdapterVersion) -> RetrainingCycle | None:
    """The newest that is judged against the hosted version."""
    query = select(RetrainingCycle).where(
        RetrainingCycle.model_id == model.id, RetrainingCycle.parent_version_id == hosted.id
    )
    return session.exec(query.order_by(col(RetrainingCycle.created_at).desc()).limit(1)).one_or_none()


def _exists(session: Session, table: type[AbTest] | type[Prediction] | type[ShadowTest], condition: bool) -> bool:
    return session.exec(select(table.id).where(condition).limit(1)).first() is not None
