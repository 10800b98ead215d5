"""Ask the services behind external versions: between transactions, and never for longer than a job may take."""

import time

from tuneloop.datasets.service import snapshot_examples, take_snapshot
from tuneloop.evaluation.external import ask_service
from tuneloop.evaluation.given import cache_key, conversation_of
from tuneloop.evaluation.results import scored
from tuneloop.evaluation.service import latest_run, record_run
from tuneloop.gateway.routes import route_of
from tuneloop.kit.errors import InvalidInput, Unavailable
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.kit.outgoing.guard import Guard
from tuneloop.monitoring.external import Seen, keep
from tuneloop.monitoring.jobs import EvaluateExternal, WatchEndpoint
from tuneloop.monitoring.service import start_monitor
from tuneloop.registry.external import service_of
from tuneloop.registry.external_probe import check_answers, last_day
from tuneloop.registry.service import aliases
from tuneloop.tables import AdapterVersion, Alias, ExternalEndpoint, Pool, RegisteredModel


@handles(WatchEndpoint)
def watch_endpoint(context: JobContext, job: WatchEndpoint) -> None:
    with context.reading() as session:
        endpoint = session.get(ExternalEndpoint, job.endpoint_id)
    if endpoint is None:
        return
    seen = _look(context, endpoint)
    with context.unit() as session:
        keep(session, job.endpoint_id, seen)


@handles(EvaluateExternal)
def evaluate_external(context: JobContext, job: EvaluateExternal) -> None:
    """As `EvaluateCandidate` does with both versions of a cycle; production is watched from here."""
    with context.unit() as session:
        version = session.get_one(AdapterVersion, job.version_id)
        model = session.get_one(RegisteredModel, version.model_id)
        if latest_run(session, version.id) is not None:
            return
        snapshot = take_snapshot(session, model=model, pool=Pool.GOLDEN)
        examples, route = snapshot_examples(session, snapshot), route_of(session, model, version)
    conversations = [conversation_of(example) for example in examples]
    keys = [cache_key(version.digest, conversation) for conversation in conversations]
    started = time.monotonic()

    def progress(done: int, wanted: int) -> None:
        context.report(stage=f"asking {route.name}", step=done, steps=wanted)
        context.check()

    given = dict(zip(keys, ask_service(context.settings, route, conversations, progress), strict=True))
    with context.unit() as session:
        results = scored(examples, keys, given, route.contract)
        seconds = time.monotonic() - started
        record_run(session, version=version, snapshot=snapshot, results=results, reused=0, seconds=seconds)
        production = aliases(session, model.id).get(Alias.PRODUCTION)
        if production is not None and production.id == version.id:
            start_monitor(session, version)


def _look(context: JobContext, endpoint: ExternalEndpoint) -> Seen:
    """A question costs a little, so it is put only after the gateway has noted a problem."""
    asked = endpoint.problem is not None
    try:
        service = service_of(endpoint, context.settings)
        if asked:
            check_answers(Guard.of(context.settings), service)
    except (InvalidInput, Unavailable) as refused:
        return Seen(None, True, refused.message)
    return Seen(last_day(Guard.of(context.settings), service), asked, None)
