"""Put an approved candidate into production: ready on the serving host first, then the alias moves."""

import httpx
import structlog

from tuneloop.deployment.service import deploy
from tuneloop.kit.errors import Conflict
from tuneloop.registry.service import lock_model
from tuneloop.retraining.jobs import DeployCandidate
from tuneloop.retraining.service import lock_cycle
from tuneloop.retraining.states import advance
from tuneloop.tables import AdapterVersion, BaseModel, CycleState, RegisteredModel
from tuneloop_workers.runtime import Context, handles

log = structlog.get_logger(__name__)

LOAD_TIMEOUT_SECONDS = 120.0


class HostNotReady(RuntimeError):
    """The serving host can't be reached or has no room now: try again."""


@handles(DeployCandidate)
def deploy_candidate(context: Context, job: DeployCandidate) -> None:
    with context.reading() as session:
        cycle = lock_cycle(session, job.cycle_id)
        if cycle.state is not CycleState.AWAITING_PROMOTION:
            return
        version = session.get_one(AdapterVersion, cycle.candidate_version_id)
        base = session.get_one(BaseModel, session.get_one(RegisteredModel, cycle.model_id).base_id)
    if base.upstream_url is None:
        preload(context, version.digest)
    with context.unit() as session:
        model = session.get_one(RegisteredModel, version.model_id)
        lock_model(session, model)
        cycle = lock_cycle(session, job.cycle_id)
        version = session.get_one(AdapterVersion, cycle.candidate_version_id)
        deploy(session, principal=context.principal, model=model, version=version)
        advance(session, cycle, CycleState.DEPLOYED, principal=context.principal, digest=version.digest)


def preload(context: Context, digest: str) -> None:
    """Have the serving host load and verify a version.

    Raises:
        Conflict: the host refuses the version. HostNotReady: it can't say yet.
    """
    settings = context.settings
    try:
        response = httpx.post(
            f"{settings.serve_url}/internal/load",
            json={"digest": digest},
            headers={"Authorization": f"Bearer {settings.serve_token.get_secret_value()}"},
            timeout=LOAD_TIMEOUT_SECONDS,
        )
    except httpx.HTTPError as error:
        raise HostNotReady(f"the serving host does not answer: {error}") from error
    if response.is_client_error:
        raise Conflict(f"the serving host refuses the version: {response.text[:500]}", digest=digest)
    if response.is_server_error:
        raise HostNotReady(f"the serving host answered {response.status_code}: {response.text[:500]}")
