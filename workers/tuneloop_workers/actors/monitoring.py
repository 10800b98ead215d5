"""Take a reading of a model's production version."""

from tuneloop.kit.errors import NotFound
from tuneloop.monitoring.jobs import ReadMonitor
from tuneloop.monitoring.service import read_monitor
from tuneloop.registry.service import contract_of
from tuneloop.tables import RegisteredModel
from tuneloop_workers.actors.judging import judge_of
from tuneloop_workers.runtime import Context, handles


@handles(ReadMonitor)
def read_one_monitor(context: Context, job: ReadMonitor) -> None:
    with context.unit() as session:
        model = session.get(RegisteredModel, job.model_id)
        if model is None:
            raise NotFound("model", job.model_id)
        read_monitor(session, model=model, judge=judge_of(contract_of(model)))
