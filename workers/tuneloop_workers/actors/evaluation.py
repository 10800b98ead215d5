"""Evaluate the candidate, and production on the same items, by the artifacts that serve."""

import time
from dataclasses import dataclass

from tuneloop.datasets.service import snapshot_examples
from tuneloop.evals.service import ItemResult, known_answers, record_run
from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import Contract, Manifest
from tuneloop.registry.service import contract_of, full_name, manifest_of
from tuneloop.retraining.jobs import CompareCandidate, EvaluateCandidate
from tuneloop.retraining.service import lock_cycle, start_step
from tuneloop.retraining.states import advance
from tuneloop.tables import (
    AdapterVersion,
    BaseModel,
    CycleState,
    EvalAnswer,
    Example,
    RegisteredModel,
    Snapshot,
)
from tuneloop_workers.actors.judging import conversation_of, item_of
from tuneloop_workers.evals.runner import LocalRunner, Runner, cache_key
from tuneloop_workers.evals.scorers.choice import DEFAULT, SCORERS
from tuneloop_workers.evals.scorers.grounding import is_hallucination
from tuneloop_workers.evals.upstream import UpstreamRunner
from tuneloop_workers.runtime import Context, handles
from tuneloop_workers.serving.answer import Answer
from tuneloop_workers.serving.engine import Engine


@dataclass(frozen=True)
class Exam:
    """One version to examine, and the answers it has given already."""

    version: AdapterVersion
    name: str
    manifest: Manifest
    keys: list[str]
    known: dict[str, EvalAnswer]


@dataclass(frozen=True)
class Given:
    """What a version answered to one item."""

    text: str
    confidence: float
    margin: float | None


@handles(EvaluateCandidate)
def evaluate_candidate(context: Context, job: EvaluateCandidate) -> None:
    with context.unit() as session:
        cycle = lock_cycle(session, job.cycle_id)
        if cycle.state is not CycleState.EVALUATING:
            return
        model = session.get_one(RegisteredModel, cycle.model_id)
        contract, base = contract_of(model), session.get_one(BaseModel, model.base_id)
        snapshot = session.get_one(Snapshot, cycle.golden_snapshot_id)
        examples = snapshot_examples(session, snapshot)
        exams = []
        for version_id in filter(None, (cycle.parent_version_id, cycle.candidate_version_id)):
            version = session.get_one(AdapterVersion, version_id)
            keys = [cache_key(version.digest, conversation_of(example)) for example in examples]
            name = f"{full_name(session, model)}@v{version.number}"
            exams.append(Exam(version, name, manifest_of(version), keys, known_answers(session, keys)))
    if not examples:
        raise InvalidInput("the golden set is empty; import examples with their expected answers")
    started = time.monotonic()
    given = _answer_all(context, exams, examples, base)
    seconds = time.monotonic() - started
    with context.unit() as session:
        cycle = lock_cycle(session, job.cycle_id)
        for exam, answers in zip(exams, given, strict=True):
            record_run(
                session,
                version=exam.version,
                snapshot=snapshot,
                results=_score(examples, exam, answers, contract),
                reused=len(exam.known),
                seconds=seconds / len(exams),
            )
        advance(session, cycle, CycleState.COMPARED, principal=context.principal, n=len(examples))
        start_step(session, cycle, CompareCandidate(cycle_id=cycle.id))


def _answer_all(
    context: Context, exams: list[Exam], examples: list[Example], base: BaseModel
) -> list[dict[str, Given]]:
    """Answers by cache key for each exam; the engine is loaded once, and only if there is something to ask."""
    if base.upstream_url:
        return [
            _answer(
                context, exam, examples, UpstreamRunner(base.upstream_url, exam.version.digest, exam.manifest.contract)
            )
            for exam in exams
        ]
    if all(len(exam.known) == len(set(exam.keys)) for exam in exams):
        return [_known(exam) for exam in exams]
    engine = Engine(context.storage.path(base.gguf_sha256), threads=context.settings.cpu_threads)
    try:
        given = []
        for exam in exams:
            files = {part.sha256: context.storage.path(part.sha256) for part in exam.manifest.adapters}
            given.append(_answer(context, exam, examples, LocalRunner(engine, exam.manifest, files)))
    finally:
        engine.close()
    return given


def _answer(context: Context, exam: Exam, examples: list[Example], runner: Runner) -> dict[str, Given]:
    """Only items without a known answer are asked."""
    missing = {
        key: conversation_of(example) for key, example in zip(exam.keys, examples, strict=True) if key not in exam.known
    }

    def progress(done: int, wanted: int) -> None:
        context.report(stage=f"evaluating {exam.name}", step=done, steps=wanted)
        context.check()

    answers: list[Answer] = runner.answer(list(missing.values()), progress) if missing else []
    fresh = {
        key: Given(answer.text, answer.confidence, answer.margin) for key, answer in zip(missing, answers, strict=True)
    }
    return _known(exam) | fresh


def _known(exam: Exam) -> dict[str, Given]:
    return {key: Given(row.answer, row.confidence, row.margin) for key, row in exam.known.items()}


def _score(examples: list[Example], exam: Exam, given: dict[str, Given], contract: Contract) -> list[ItemResult]:
    scorer = SCORERS[DEFAULT[contract.task]]
    results = []
    for key, example in zip(exam.keys, examples, strict=True):
        item, answer = item_of(example, contract), given[key]
        judged = scorer(item, answer.text)
        results.append(
            ItemResult(
                example_id=example.id,
                category=example.category,
                expected=example.expected,
                answer=answer.text,
                correct=judged.correct,
                score=judged.value,
                hallucinated=is_hallucination(item, answer.text),
                detail=judged.detail,
                confidence=answer.confidence,
                margin=answer.margin,
                cache_key=key,
            )
        )
    return results
