"""Take readings of a model's production version, and propose the retrain that is due."""

from datetime import timedelta

from tuneloop.datasets.scanning import scan_soon, unchecked
from tuneloop.evaluation.scoring import marking_of
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import enqueue, enqueue_once
from tuneloop.kit.jobs.child import run_child
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.monitoring.alerts import find_alert
from tuneloop.monitoring.clusters import Questions, questions_of, store_clusters
from tuneloop.monitoring.drift_followup import settle_traffic
from tuneloop.monitoring.grouping import Cluster, Clusters, Texts
from tuneloop.monitoring.jobs import MeasureSensitivity, ProposeRetrain, ReadMonitor, SettleTraffic
from tuneloop.monitoring.proposal import propose_due_retrain
from tuneloop.monitoring.sensitivity import measure, sensitivity_inputs, store
from tuneloop.monitoring.service import read_monitor
from tuneloop.monitoring.status import monitor_of
from tuneloop.registry.service import contract_of, model_of_id
from tuneloop.tables import RegisteredModel

CLUSTERING = "tuneloop_workers.novel_query_clustering"
"""A process of its own, with its libraries."""

AFTER_CHECK = timedelta(minutes=2)


@handles(ReadMonitor)
def read_one_monitor(context: JobContext, job: ReadMonitor) -> None:
    """The reading first; groups of new questions are looked for after it, outside of its transaction."""
    with context.unit() as session:
        model = model_of_id(session, job.model_id)
        until = now()
        read_monitor(session, model=model, judge=marking_of(contract_of(model)), until=until)
        monitor = monitor_of(session, model.id)
        questions = questions_of(session, model, monitor, until=until) if monitor else None
        if monitor is not None and sensitivity_inputs(session, monitor) is not None:
            enqueue_once(session, MeasureSensitivity(model_id=model.id), model.id, owner=model)
    if questions is not None:
        context.report(stage="looking for new kinds of questions")
        found = group(context, questions)
        with context.unit() as session:
            store_clusters(session, questions, found)


@handles(MeasureSensitivity)
def measure_sensitivity(context: JobContext, job: MeasureSensitivity) -> None:
    with context.reading() as session:
        monitor = monitor_of(session, model_of_id(session, job.model_id).id)
        question = sensitivity_inputs(session, monitor) if monitor else None
    if question is not None:
        measured = measure(question)
        with context.unit() as session:
            store(session, question, measured)


@handles(SettleTraffic)
def settle_one_traffic(context: JobContext, job: SettleTraffic) -> None:
    with context.unit() as session:
        alert = find_alert(session, job.alert_id)
        model = session.get_one(RegisteredModel, alert.model_id)
        settle_traffic(session, alert, marking_of(contract_of(model)))


@handles(ProposeRetrain)
def propose_retrain(context: JobContext, job: ProposeRetrain) -> None:
    """While new examples wait to be checked it comes again after that: nothing unchecked trains."""
    with context.unit() as session:
        model = model_of_id(session, job.model_id)
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


def group(context: JobContext, questions: Questions) -> list[Cluster]:
    texts = Texts(traffic=[each.text for each in questions.traffic], known=questions.known)
    answer = run_child(context, CLUSTERING, texts.model_dump_json().encode())
    return Clusters.model_validate_json(answer).root
