"""Several versions answer the same conversations, as the artifacts that serve; known answers are not asked again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuneloop.evaluation.service import known_answers
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Manifest, Task
from tuneloop.registry.service import full_name, manifest_of
from tuneloop.tables import AdapterVersion, BaseModel, Prediction, RegisteredModel
from tuneloop_workers.evaluation.runner import Conversation, LocalRunner, Runner, cache_key
from tuneloop_workers.evaluation.upstream import UpstreamRunner
from tuneloop_workers.handlers.engines import local_engine
from tuneloop_workers.serving.answer import EngineAnswer


@dataclass(frozen=True)
class Given:
    """What a version answered to one item; `problem` says why it did not."""

    text: str
    confidence: float
    margin: float | None
    problem: str = ""


@dataclass(frozen=True)
class Exam:
    """One version to examine, and the answers it has given already; `keys` by conversation."""

    version: AdapterVersion
    name: str
    manifest: Manifest
    keys: list[str]
    known: dict[str, Given]


def exam_of(
    session: TenantSession, model: RegisteredModel, version: AdapterVersion, conversations: Sequence[Conversation]
) -> Exam:
    keys = [cache_key(version.digest, conversation) for conversation in conversations]
    name = f"{full_name(session, model)}@v{version.number}"
    known = {key: Given(row.answer, row.confidence, row.margin) for key, row in known_answers(session, keys).items()}
    return Exam(version, name, manifest_of(version), keys, known)


def with_own_answers(exam: Exam, predictions: Sequence[Prediction]) -> Exam:
    """What the version has answered to these conversations in production. A label is the same whenever it is asked."""
    if exam.manifest.contract.task is not Task.CLASSIFY:
        return exam
    own = {
        key: Given(prediction.answer, prediction.confidence, prediction.margin)
        for key, prediction in zip(exam.keys, predictions, strict=True)
        if prediction.digest == exam.version.digest and prediction.confidence is not None
    }
    return replace(exam, known=own | exam.known)


def answer_all(
    context: JobContext, exams: Sequence[Exam], conversations: Sequence[Conversation], base: BaseModel, *, stage: str
) -> list[dict[str, Given]]:
    """Answers by cache key for each exam; the engine is loaded once, and only if there is something to ask."""
    if base.upstream_url:
        return [
            _answer(
                context,
                exam,
                conversations,
                UpstreamRunner(base.upstream_url, exam.version.digest, exam.manifest.contract),
                stage,
            )
            for exam in exams
        ]
    if all(len(exam.known) == len(set(exam.keys)) for exam in exams):
        return [exam.known for exam in exams]
    with local_engine(context, context.storage.path(base.gguf_sha256), context_tokens=base.context_length) as engine:
        given = []
        for exam in exams:
            files = {part.sha256: context.storage.path(part.sha256) for part in exam.manifest.adapters}
            runner = LocalRunner(engine, exam.manifest, files)
            given.append(_answer(context, exam, conversations, runner, stage))
    return given


def _answer(
    context: JobContext, exam: Exam, conversations: Sequence[Conversation], runner: Runner, stage: str
) -> dict[str, Given]:
    """Only conversations without a known answer are asked."""
    missing = {key: asked for key, asked in zip(exam.keys, conversations, strict=True) if key not in exam.known}

    def progress(done: int, wanted: int) -> None:
        context.report(stage=f"{stage} {exam.name}", step=done, steps=wanted)
        context.check()

    answers: list[EngineAnswer] = runner.answer(list(missing.values()), progress) if missing else []
    fresh = {
        key: Given(answer.text, answer.confidence, answer.margin, answer.problem)
        for key, answer in zip(missing, answers, strict=True)
    }
    return exam.known | fresh
