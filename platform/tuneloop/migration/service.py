"""How far a model's migration is."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from sqlmodel import Session

from tuneloop.evaluation.recording import Recorded, begin_recording, latest_recording, recorded_of
from tuneloop.evaluation.recording import stop_recording as stop
from tuneloop.evaluation.recording_plan import RecordingPlan, plan_recording
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict
from tuneloop.kit.principal import Principal
from tuneloop.migration.savings import Saving, saving
from tuneloop.migration.steps import MigrationStep, steps, steps_without_service
from tuneloop.monitoring.external import days_left
from tuneloop.registry.external import endpoints_of, find_endpoint, is_over
from tuneloop.registry.service import aliases, is_external, policy_of
from tuneloop.tables import AdapterVersion, Alias, ExternalEndpoint, Recording, RegisteredModel


@dataclass(frozen=True)
class HostedModel:
    """The external version that is migrated from. `over`: its service answers no more."""

    version: AdapterVersion
    endpoint: ExternalEndpoint
    days_left: int | None
    over: bool

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint.url).hostname or ""

    @property
    def ends_on(self) -> date | None:
        return self.endpoint.ends_on


@dataclass(frozen=True)
class Migration:
    """`plan` is what a recording would do now, `latest` what the last one did. `queries`: of traffic, at most."""

    steps: list[MigrationStep]
    hosted: HostedModel | None = None
    queries: int = 0
    plan: RecordingPlan | None = None
    recorded: Recorded | None = None
    latest: Recording | None = None
    saving: Saving | None = None

    @property
    def next(self) -> MigrationStep | None:
        return next((step for step in self.steps if not step.done and not step.optional), None)

    @property
    def complete(self) -> bool:
        return self.next is None


def read_migration(session: Session, model: RegisteredModel) -> Migration:
    hosted = hosted_model(session, model)
    if hosted is None:
        return Migration(steps_without_service(session, model))
    version, endpoint, queries = hosted.version, hosted.endpoint, policy_of(model).disagreement_queries
    plan = plan_recording(session, model=model, version=version, endpoint=endpoint, queries=queries)
    recorded, latest = recorded_of(session, version, endpoint), latest_recording(session, version.id)
    listed = steps(session, model, hosted=version, plan=plan, recorded=recorded, latest=latest)
    return Migration(listed, hosted, queries, plan, recorded, latest, saving(session, endpoint))


def hosted_model(session: Session, model: RegisteredModel) -> HostedModel | None:
    """What is in production if that is external, else the external version that was brought last."""
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    if production is not None and is_external(production):
        version, endpoint = production, find_endpoint(session, production)
    else:
        brought = endpoints_of(session, model.id)
        if not brought:
            return None
        endpoint = brought[-1]
        version = session.get_one(AdapterVersion, endpoint.version_id)
    return HostedModel(version, endpoint, days_left(endpoint, now()), is_over(endpoint))


def record_answers(session: Session, *, principal: Principal, model: RegisteredModel, requests: int) -> Recording:
    """Take down what the hosted model answers, with so many requests at most. Raises as `begin_recording`."""
    return begin_recording(
        session,
        principal=principal,
        model=model,
        version=_hosted(session, model).version,
        queries=policy_of(model).disagreement_queries,
        requests=requests,
    )


def stop_recording(session: Session, *, principal: Principal, model: RegisteredModel) -> Recording:
    """Raises Conflict where none is under way."""
    return stop(session, principal=principal, version=_hosted(session, model).version)


def _hosted(session: Session, model: RegisteredModel) -> HostedModel:
    found = hosted_model(session, model)
    if found is None:
        raise Conflict("no hosted model was brought here yet; add one with 'tuneloop version add-external'")
    return found
