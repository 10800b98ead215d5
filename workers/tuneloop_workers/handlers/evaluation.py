"""Evaluate the candidate, and production on the same items, by the artifacts that serve."""

import time

from tuneloop.datasets.service import snapshot_examples
from tuneloop.evaluation.given import conversation_of
from tuneloop.evaluation.quantisations import weigh_quantisations
from tuneloop.evaluation.results import scored
from tuneloop.evaluation.service import record_run
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.gate_holdout import gate_queries
from tuneloop.registry.service import contract_of, is_external, manifest_of, policy_of
from tuneloop.retraining.attempts import note_seconds
from tuneloop.retraining.gate_step import golden_set_objects
from tuneloop.retraining.jobs import CompareCandidate, EvaluateCandidate, FindDisagreements
from tuneloop.retraining.service import at_step, start_step
from tuneloop.retraining.states import advance
from tuneloop.tables import (
    AdapterVersion,
    BaseModel,
    CycleState,
    RegisteredModel,
    RetrainingCycle,
    Snapshot,
)
from tuneloop_workers.handlers.quantisation import answer_quantised
from tuneloop_workers.handlers.run_versions import answer_all, exam_of


@handles(EvaluateCandidate)
def evaluate_candidate(context: JobContext, job: EvaluateCandidate) -> None:
    with context.unit() as session:
        cycle = at_step(session, job, CycleState.EVALUATING)
        if cycle is None:
            return
        model = session.get_one(RegisteredModel, cycle.model_id)
        policy = policy_of(model)
        contract, base = contract_of(model), session.get_one(BaseModel, model.base_id)
        snapshot = session.get_one(Snapshot, cycle.golden_snapshot_id)
        examples = snapshot_examples(session, snapshot)
        conversations = [conversation_of(example) for example in examples]
        exams = [
            exam_of(session, model, session.get_one(AdapterVersion, version_id), conversations)
            for version_id in filter(None, (cycle.parent_version_id, cycle.candidate_version_id))
        ]
    if not examples:
        raise InvalidInput("the golden set is empty; import examples with their expected answers")
    started = time.monotonic()
    given = answer_all(context, exams, conversations, base, stage="evaluating")
    seconds = time.monotonic() - started
    candidate = exams[-1]
    quantised = {}
    if not is_external(candidate.version):
        manifest = manifest_of(candidate.version)
        quantised = answer_quantised(
            context, candidate.version, manifest, examples, contract, context_tokens=base.context_length
        )
    with context.unit() as session:
        cycle = at_step(session, job, CycleState.EVALUATING)
        if cycle is None:
            return
        note_seconds(session, cycle, evaluate=time.monotonic() - started)
        cycle.quantisations = dict(weigh_quantisations(quantised, policy)) if quantised else None
        for exam, answers in zip(exams, given, strict=True):
            record_run(
                session,
                version=exam.version,
                snapshot=snapshot,
                results=scored(examples, exam.keys, answers, contract),
                reused=len(exam.known),
                seconds=seconds / len(exams),
            )
        if traffic_can_judge(session, cycle):
            start_step(session, cycle, FindDisagreements)
            return
        advance(session, cycle, CycleState.COMPARED, principal=context.principal, n=len(examples))
        start_step(session, cycle, CompareCandidate)


def traffic_can_judge(session: TenantSession, cycle: RetrainingCycle) -> bool:
    """Whether enough queries are left that taught the candidate nothing, and the golden set has proven no harm yet."""
    if cycle.parent_version_id is None:
        return False
    model = session.get_one(RegisteredModel, cycle.model_id)
    fewest = policy_of(model).fewest_queries
    if len(gate_queries(session, cycle=cycle, model=model, limit=fewest)) < fewest:
        return False
    return not golden_set_objects(session, cycle)
