"""Production and candidate answer recent traffic; only where they differ are people asked who is right."""

import random
import time
from collections import Counter

from tuneloop.evaluation.equality import same_answer
from tuneloop.evaluation.service import NOT_RECORDED
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.predictions.gate_holdout import gate_queries
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of, policy_of
from tuneloop.registry.templates import Message
from tuneloop.retraining.attempts import note_seconds
from tuneloop.retraining.jobs import CompareCandidate, FindDisagreements
from tuneloop.retraining.service import at_step, start_step
from tuneloop.retraining.states import advance
from tuneloop.retraining.targets import target_categories
from tuneloop.review.queue import GatePair, add_gate_items
from tuneloop.stats.queue import in_order
from tuneloop.stats.weighing import is_near
from tuneloop.tables import AdapterVersion, BaseModel, CycleState, DisagreementRun, RegisteredModel
from tuneloop_workers.handlers.run_versions import answer_all, exam_of, with_own_answers


@handles(FindDisagreements)
def find_disagreements(context: JobContext, job: FindDisagreements) -> None:
    with context.unit() as session:
        cycle = at_step(session, job, CycleState.EVALUATING)
        if cycle is None:
            return
        model = session.get_one(RegisteredModel, cycle.model_id)
        contract, base = contract_of(model), session.get_one(BaseModel, model.base_id)
        fewest = policy_of(model).fewest_queries
        queries = gate_queries(session, cycle=cycle, model=model, limit=policy_of(model).disagreement_queries)
        conversations = [
            tuple(Message.model_validate(message) for message in prediction.messages) for prediction in queries
        ]
        versions = [
            session.get_one(AdapterVersion, version_id)
            for version_id in (cycle.parent_version_id, cycle.candidate_version_id)
        ]
        exams = [with_own_answers(exam_of(session, model, version, conversations), queries) for version in versions]
    started = time.monotonic()
    old, new = answer_all(context, exams, conversations, base, stage="answering recent traffic as")
    pairs: list[GatePair] = []
    agreed: Counter[str] = Counter()
    # What neither version can be asked, or a service that is gone was not, says nothing about them.
    asked = [
        (prediction, old[was].text, new[would].text)
        for prediction, was, would in zip(queries, exams[0].keys, exams[1].keys, strict=True)
        if not (old[was].problem and new[would].problem) and old[was].problem != NOT_RECORDED
    ]
    for prediction, before, after in asked:
        if same_answer(contract, before, after):
            agreed[before.strip() if contract.task is Task.CLASSIFY else ""] += 1
        else:
            pairs.append(GatePair(prediction, before, after))
    # Whoever labels only some of them has labelled a random sample of each kind.
    random.Random(job.cycle_id.int + job.attempt).shuffle(pairs)  # noqa: S311  (no secret: the same order after a retry)
    with context.unit() as session:
        cycle = at_step(session, job, CycleState.EVALUATING)
        if cycle is None:
            return
        note_seconds(session, cycle, disagree=time.monotonic() - started)
        if exams[0].over and len(asked) < fewest:
            # Too little of its traffic was recorded: the golden set judges alone.
            advance(session, cycle, CycleState.COMPARED, principal=context.principal, queries=len(asked))
            start_step(session, cycle, CompareCandidate)
            return
        session.add(
            DisagreementRun(
                client_id=cycle.client_id,
                cycle_id=cycle.id,
                attempt=cycle.attempt,
                production_digest=versions[0].digest,
                candidate_digest=versions[1].digest,
                queries=len(asked),
                disagreements=len(pairs),
                agreed=dict(agreed),
            )
        )
        target = target_categories(session, cycle)
        near = [contract.task is Task.CLASSIFY and is_near(_texts(pair), target) for pair in pairs]
        add_gate_items(session, cycle=cycle, pairs=in_order(pairs, near))
        advance(
            session,
            cycle,
            CycleState.COMPARED,
            principal=context.principal,
            queries=len(asked),
            disagreements=len(pairs),
        )
        start_step(session, cycle, CompareCandidate)


def _texts(pair: GatePair) -> tuple[str, str]:
    return pair.production_answer.strip(), pair.candidate_answer.strip()
