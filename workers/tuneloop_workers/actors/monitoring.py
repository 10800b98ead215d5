"""Take readings of a model's production version, and propose the retrain that is due."""

from datetime import timedelta

from tuneloop.datasets.scanning import scan_soon, unchecked
from tuneloop.kit.clock import now
from tuneloop.kit.errors import NotFound
from tuneloop.kit.jobs import enqueue, enqueue_once
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alerts import find_alert
from tuneloop.monitoring.clusters import questions_of, store_clusters
from tuneloop.monitoring.jobs import MeasureSensitivity, ProposeRetrain, ReadMonitor, SettleTraffic
from tuneloop.monitoring.proposal import propose_due_retrain
from tuneloop.monitoring.sensitivity import measure, open_question, store
from tuneloop.monitoring.service import read_monitor
from tuneloop.monitoring.status import monitor_of
from tuneloop.monitoring.two_stage import settle_traffic
from tuneloop.registry.service import contract_of
from tuneloop.tables import RegisteredModel
from tuneloop_workers.actors.judging import judge_of
from tuneloop_workers.clusters import find_clusters
from tuneloop_workers.runtime import Context, handles

AFTER_CHECK = timedelta(minutes=2)


@handles(ReadMonitor)
def read_one_monitor(context: Context, job: ReadMonitor) -> None:
    """The reading first; groups of new questions are looked for after it, outside of its transaction."""
    with context.unit() as session:
        model = _model(session, job)
        until = now()
        read_monitor(session, model=model, judge=judge_of(contract_of(model)), until=until)
        monitor = monitor_of(session, model.id)
        questions = questions_of(session, model, monitor, until=until) if monitor else None
        if monitor is not None and open_question(session, monitor) is not None:
            enqueue_once(session, MeasureSensitivity(model_id=model.id), model.id, owner=model)
    if questions is not None:
        context.report(stage="looking for new kinds of questions")
        found = find_clusters([each.text for each in questions.traffic], questions.known)
        with context.unit() as session:
            store_clusters(session, questions, found)


@handles(MeasureSensitivity)
def measure_sensitivity(context: Context, job: MeasureSensitivity) -> None:
    with context.reading() as session:
        monitor = monitor_of(session, _model(session, job).id)
        question = open_question(session, monitor) if monitor else None
    if question is not None:
        measured = measure(question)
        with context.unit() as session:
            store(session, question, measured)


@handles(SettleTraffic)
def settle_one_traffic(context: Context, job: SettleTraffic) -> None:
    with context.unit() as session:
        alert = find_alert(session, job.alert_id)
        model = session.get_one(RegisteredModel, alert.model_id)
        settle_traffic(session, alert, judge_of(contract_of(model)))


@handles(ProposeRetrain)
def propose_retrain(context: Context, job: ProposeRetrain) -> None:
    """While new examples wait to be checked it comes again after that: nothing unchecked trains."""
    with context.unit() as session:
        model = _model(session, job)
        if unchecked(session, model):
            scan_soon(session, model)
            enqueue(
                session,
                job,
                agency_id=model.agency_id,
                client_id=model.client_id,
                dedupe_key=f"{job.name}:{model.id}:{context.held.job_id}",
                delay=AFTER_CHECK,
            )
            return
        propose_due_retrain(session, principal=context.principal, model=model)


def _model(session: TenantSession, job: ReadMonitor | MeasureSensitivity | ProposeRetrain) -> RegisteredModel:
    model = session.get(RegisteredModel, job.model_id)
    if model is None:
        raise NotFound("model", job.model_id)
    return model
