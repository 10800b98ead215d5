"""Put an approved candidate into production: ready on the serving host first, then the alias moves."""

from tuneloop.deployment.service import deploy
from tuneloop.gateway.serving_host import preload
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.registry.service import lock_model, served_here
from tuneloop.retraining.jobs import DeployCandidate
from tuneloop.retraining.service import lock_cycle
from tuneloop.retraining.states import advance
from tuneloop.tables import AdapterVersion, CycleState, RegisteredModel


@handles(DeployCandidate)
def deploy_candidate(context: JobContext, job: DeployCandidate) -> None:
    with context.reading() as session:
        cycle = lock_cycle(session, job.cycle_id)
        if cycle.state is not CycleState.AWAITING_PROMOTION:
            return
        version = session.get_one(AdapterVersion, cycle.candidate_version_id)
        here = served_here(session, version)
    if here:
        preload(context.settings, version.digest)
    with context.unit() as session:
        model = session.get_one(RegisteredModel, version.model_id)
        lock_model(session, model)
        cycle = lock_cycle(session, job.cycle_id)
        version = session.get_one(AdapterVersion, cycle.candidate_version_id)
        deploy(session, principal=context.principal, model=model, version=version)
        advance(session, cycle, CycleState.DEPLOYED, principal=context.principal, digest=version.digest)
