"""Let the version in production answer its golden set again, by the artifact that serves."""

from collections.abc import Sequence
from uuid import UUID

from tuneloop.evaluation.external import Progress, ask_service
from tuneloop.evaluation.given import Conversation, conversation_of
from tuneloop.evaluation.scoring import score
from tuneloop.gateway.routes import Route, route_of
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.monitoring.canary import Anchor, anchors_of, few_of, record_canary
from tuneloop.monitoring.jobs import RunCanary
from tuneloop.monitoring.status import monitor_of
from tuneloop.registry.external import endpoint_of, is_over
from tuneloop.registry.service import contract_of, manifest_of, model_of_id
from tuneloop.tables import AdapterVersion, BaseModel, Example, Monitor
from tuneloop_workers.evaluation.runner import LocalRunner, Runner
from tuneloop_workers.evaluation.upstream import UpstreamRunner
from tuneloop_workers.handlers.engines import local_engine


@handles(RunCanary)
def run_canary(context: JobContext, job: RunCanary) -> None:
    with context.reading() as session:
        model = model_of_id(session, job.model_id)
        monitor = monitor_of(session, model.id)
        anchors = anchors_of(session, monitor) if monitor else []
        if monitor is None or not anchors:
            raise InvalidInput("there is nothing to ask again: deploy a version that was evaluated on a golden set")
        version = session.get_one(AdapterVersion, monitor.version_id)
        endpoint = endpoint_of(session, version.id)
        if endpoint is not None and is_over(endpoint):
            context.report(stage="its service has had its last day: there is nobody to ask")
            return
        if endpoint is not None:
            anchors = few_of(anchors)
        route, base = route_of(session, model, version), session.get_one(BaseModel, model.base_id)
        contract, monitor_id = contract_of(model), monitor.id
    answers = _ask(context, anchors, version, route, base)

    def judge(examples: Sequence[Example], given: Sequence[str]) -> list[bool]:
        return [score(example, text, contract).correct for example, text in zip(examples, given, strict=True)]

    with context.unit() as session:
        record_canary(
            session,
            monitor=session.get_one(Monitor, monitor_id),
            anchors=anchors,
            answers=answers,
            judge=judge,
        )


def _ask(
    context: JobContext, anchors: Sequence[Anchor], version: AdapterVersion, route: Route, base: BaseModel
) -> dict[UUID, str]:
    """Answers by example id. Nothing is taken from earlier runs: that they agree is what is to be seen."""
    if route.external is not None:
        given = ask_service(context.settings, route, _conversations(anchors), _progress(context))
        return {anchor.example.id: each.text for anchor, each in zip(anchors, given, strict=True)}
    if base.upstream_url:
        with UpstreamRunner(base.upstream_url, version.digest, route.contract) as upstream:
            return _answers(context, anchors, upstream)
    manifest = manifest_of(version)
    with local_engine(context, context.storage.path(base.gguf_sha256), context_tokens=base.context_length) as engine:
        files = {part.sha256: context.storage.path(part.sha256) for part in manifest.adapters}
        return _answers(context, anchors, LocalRunner(engine, manifest, files))


def _answers(context: JobContext, anchors: Sequence[Anchor], runner: Runner) -> dict[UUID, str]:
    answers = runner.answer(_conversations(anchors), _progress(context))
    return {anchor.example.id: answer.text for anchor, answer in zip(anchors, answers, strict=True)}


def _conversations(anchors: Sequence[Anchor]) -> list[Conversation]:
    return [conversation_of(anchor.example) for anchor in anchors]


def _progress(context: JobContext) -> Progress:
    def progress(done: int, wanted: int) -> None:
        context.report(stage="asking the golden set again", step=done, steps=wanted)
        context.check()

    return progress
