"""The way of a request to the version that answers it."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self
from uuid import UUID

from sqlmodel import Session, select

from tuneloop.gateway.ab_assignment import Assignment, Split
from tuneloop.gateway.shadow_plan import ShadowPlan
from tuneloop.registry.contract import Contract
from tuneloop.registry.service import is_external
from tuneloop.tables import (
    AdapterVersion,
    Arm,
    BaseModel,
    Client,
    ExternalEndpoint,
    RegisteredModel,
)


@dataclass(frozen=True, slots=True)
class External:
    """The service that answers for an external version; `sealed_key` opens by the installation's secret key."""

    endpoint_id: UUID
    url: str
    model: str
    sealed_key: str | None
    gives_confidence: bool

    @classmethod
    def of(cls, row: ExternalEndpoint) -> Self:
        return cls(row.id, row.url, row.model_name, row.sealed_key, row.gives_confidence)


@dataclass(frozen=True, slots=True)
class Route:
    """One servable version. `upstream_url` is None for the local engine; `name` always carries the version number.

    With `external` neither answers: the version is a service's.

    Behind a model's bare name it is production's, with the test that runs (an A/B test, or a shadow test) and the
    candidate's route, if one does.
    """

    name: str
    owner: str
    agency_id: UUID
    client_id: UUID
    model_id: UUID
    version_id: UUID
    digest: str
    contract: Contract
    upstream_url: str | None
    created_at: datetime
    external: External | None = None
    split: Split | None = None
    shadow: ShadowPlan | None = None
    candidate: "Route | None" = None

    @classmethod
    def of(
        cls,
        version: AdapterVersion,
        model: RegisteredModel,
        *,
        client: str,
        contract: Contract,
        upstream_url: str | None,
        endpoint: ExternalEndpoint | None,
    ) -> Self:
        """`client` is its slug. `endpoint` counts for an external version alone."""
        return cls(
            name=f"{client}/{model.slug}@v{version.number}",
            owner=client,
            agency_id=model.agency_id,
            client_id=model.client_id,
            model_id=model.id,
            version_id=version.id,
            digest=version.digest,
            contract=contract,
            upstream_url=upstream_url,
            created_at=version.created_at,
            external=External.of(endpoint) if endpoint is not None and is_external(version) else None,
        )

    def assigned(self, person: str, *, at: datetime) -> "Assigned":
        """The version that answers this person, and the arm that it is; without a test that runs, this one."""
        if self.split is None or self.candidate is None or at >= self.split.ends_at:
            return Assigned(self, None)
        assignment = self.split.of(person)
        return Assigned(self.candidate if assignment.arm is Arm.CANDIDATE else self, assignment)


class Assigned(NamedTuple):
    route: Route
    assignment: Assignment | None


def route_of(session: Session, model: RegisteredModel, version: AdapterVersion) -> Route:
    """Of one version, for whoever asks it outside of the gateway."""
    endpoint = session.exec(select(ExternalEndpoint).where(ExternalEndpoint.version_id == version.id)).one_or_none()
    return Route.of(
        version,
        model,
        client=session.get_one(Client, model.client_id).slug,
        contract=Contract.model_validate(version.manifest["contract"]),
        upstream_url=session.get_one(BaseModel, model.base_id).upstream_url,
        endpoint=endpoint,
    )
