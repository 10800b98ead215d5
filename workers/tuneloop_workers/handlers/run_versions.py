"""Several versions answer the same conversations, as the artifacts that serve; known answers are not asked again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuneloop.evaluation.external import ask_service
from tuneloop.evaluation.given import Conversation, Given, cache_key
from tuneloop.evaluation.recording import recorded_answers
from tuneloop.evaluation.service import NOT_RECORDED, known_answers
from tuneloop.gateway.routes import Route, route_of
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Definition, Task
from tuneloop.registry.external import endpoint_of, is_over
from tuneloop.registry.service import definition_of, manifest_of
from tuneloop.tables import AdapterVersion, BaseModel, Prediction, RegisteredModel
from tuneloop_workers.evaluation.runner import LocalRunner, Runner
from tuneloop_workers.evaluation.upstream import UpstreamRunner
from tuneloop_workers.handlers.engines import local_engine
from tuneloop_workers.serving.answer import EngineAnswer


@dataclass(frozen=True)
class Exam:
    """One version to examine, and the answers it has given already; `keys` by conversation.

    `over`: its service is gone, so there will be no others.
    """

    version: AdapterVersion
    route: Route
    definition: Definition
    keys: list[str]
    known: dict[str, Given]
    over: bool = False


def exam_of(
    session: TenantSession, model: RegisteredModel, version: AdapterVersion, conversations: Sequence[Conversation]
) -> Exam:
    keys = [cache_key(version.digest, conversation) for conversation in conversations]
    known = {key: Given(row.answer, row.confidence, row.margin) for key, row in known_answers(session, keys).items()}
    over = False
    if (endpoint := endpoint_of(session, version.id)) is not None:
        known = recorded_answers(session, version, keys) | known
        over = is_over(endpoint)
    return Exam(version, route_of(session, model, version), definition_of(version), keys, known, over)


def with_own_answers(exam: Exam, predictions: Sequence[Prediction]) -> Exam:
    """What the version has answered to these conversations in production. A label is the same whenever it is asked."""
    if exam.definition.contract.task is not Task.CLASSIFY:
        return exam
    own = {
        key: Given(prediction.answer, prediction.confidence, prediction.margin)
        for key, prediction in zip(exam.keys, predictions, strict=True)
        if prediction.digest == exam.version.digest
    }
    return replace(exam, known=own | exam.known)


def answer_all(
    context: JobContext, exams: Sequence[Exam], conversations: Sequence[Conversation], base: BaseModel, *, stage: str
) -> list[dict[str, Given]]:
    """Answers by cache key for each exam; the engine is loaded once, and only if there is something to ask it."""
    external = [_answer(context, exam, conversations, None, stage) if exam.route.external else None for exam in exams]
    ours = [exam for exam in exams if not exam.route.external]
    mine = iter(_answer_ours(context, ours, conversations, base, stage=stage))
    return [each if each is not None else next(mine) for each in external]


def _answer_ours(
    context: JobContext, exams: Sequence[Exam], conversations: Sequence[Conversation], base: BaseModel, *, stage: str
) -> list[dict[str, Given]]:
    if base.upstream_url:
        return [
            _answer(
                context,
                exam,
                conversations,
                UpstreamRunner(base.upstream_url, exam.version.digest, exam.definition.contract),
                stage,
            )
            for exam in exams
        ]
    if all(len(exam.known) == len(set(exam.keys)) for exam in exams):
        return [exam.known for exam in exams]
    with local_engine(context, context.storage.path(base.gguf_sha256), context_tokens=base.context_length) as engine:
        given = []
        for exam in exams:
            manifest = manifest_of(exam.version)
            files = {part.sha256: context.storage.path(part.sha256) for part in manifest.adapters}
            given.append(_answer(context, exam, conversations, LocalRunner(engine, manifest, files), stage))
    return given


def _answer(
    context: JobContext, exam: Exam, conversations: Sequence[Conversation], runner: Runner | None, stage: str
) -> dict[str, Given]:
    """Only conversations without a known answer are asked; without a runner, of the version's service."""
    missing = {key: asked for key, asked in zip(exam.keys, conversations, strict=True) if key not in exam.known}

    def progress(done: int, wanted: int) -> None:
        context.report(stage=f"{stage} {exam.route.name}", step=done, steps=wanted)
        context.check()

    asked = list(missing.values())
    if runner is None and exam.over:
        return exam.known | dict.fromkeys(missing, Given("", None, None, NOT_RECORDED))
    if runner is None:
        said = ask_service(context.settings, exam.route, asked, progress) if asked else []
        return exam.known | dict(zip(missing, said, strict=True))
    answers: list[EngineAnswer] = runner.answer(asked, progress) if asked else []
    fresh = {
        key: Given(answer.text, answer.confidence, answer.margin, answer.problem)
        for key, answer in zip(missing, answers, strict=True)
    }
    return exam.known | fresh
