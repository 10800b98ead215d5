"""What a training run is ordered to do: everything it needs, read in one transaction."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from tuneloop.datasets.service import snapshot_examples
from tuneloop.kit.errors import Conflict
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.adapters.folder import AdapterFacts
from tuneloop.registry.contract import BaseRef, Contract, Quantisation
from tuneloop.registry.policy import Policy
from tuneloop.registry.service import contract_of, full_name, is_external, list_versions, manifest_of, policy_of
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.attempts import attempt_of
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import plan_digest
from tuneloop.retraining.targets import target_categories
from tuneloop.retraining.traffic import unlabelled_traffic
from tuneloop.tables import (
    AdapterVersion,
    ApprovalKind,
    BaseModel,
    Example,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    Snapshot,
)
from tuneloop_workers.artifacts import Artifacts


@dataclass(frozen=True)
class Imported:
    """An adapter that was trained elsewhere: the files as they were sent, and what they say about themselves."""

    config_sha256: str
    weights_sha256: str
    facts: AdapterFacts


@dataclass(frozen=True)
class Order:
    """`known` are the ids that the parent was trained on, `numbers` those of the versions that exist.

    `target` are the categories that the retrain is for, `traffic` answers of production that nobody has labelled.

    With `imported` nothing is trained: there are no examples and no snapshot of them.
    """

    client_id: UUID
    cycle_id: UUID
    name: str
    numbers: list[str]
    contract: Contract
    recipe: Recipe
    policy: Policy
    base: BaseModel
    parent: AdapterVersion | None
    snapshot: Snapshot | None
    examples: list[Example]
    known: frozenset[UUID]
    target: frozenset[str]
    traffic: list[Prediction]
    golden: list[Example]
    quantisation: Quantisation | None
    artifacts: Artifacts
    imported: Imported | None = None

    @property
    def staying(self) -> tuple[str, ...]:
        """Labels that the parent knows already and that the retrain is not for."""
        if self.parent is None:
            return ()
        known = set(manifest_of(self.parent).contract.labels) - self.target
        return tuple(label for label in self.contract.labels if label in known)

    @property
    def base_gguf(self) -> Path:
        return self.artifacts.path(self.base.gguf_sha256)

    @property
    def base_weights(self) -> Path:
        return self.artifacts.folder(self.base.weights_sha256)

    @property
    def base_ref(self) -> BaseRef:
        return BaseRef(
            architecture=self.base.architecture,
            quantisation=self.base.quantisation,
            gguf_sha256=self.base.gguf_sha256,
            weights_sha256=self.base.weights_sha256,
        )


def read_order(session: TenantSession, cycle: RetrainingCycle, artifacts: Artifacts) -> Order:
    """Raises Conflict when the contract has changed since the plan was approved."""
    model = session.get_one(RegisteredModel, cycle.model_id)
    recipe = Recipe.model_validate(attempt_of(session, cycle).recipe)
    training = session.get_one(Snapshot, cycle.training_snapshot_id)
    golden = session.get_one(Snapshot, cycle.golden_snapshot_id)
    parent = session.get(AdapterVersion, cycle.parent_version_id) if cycle.parent_version_id else None
    contract = contract_of(model)
    approved = Recipe.model_validate(cycle.recipe)
    plan = plan_digest(contract, approved, training.digest, golden.digest, parent.digest if parent else None)
    asked = [q.subject_digest for q in questions(session, cycle.id) if q.kind is ApprovalKind.RETRAIN]
    if asked != [plan]:
        raise Conflict("the model's contract has changed since the retrain was approved; propose it again")
    if parent is not None and is_external(parent):
        # Nobody has its weights: the candidate is trained from the base and judged against its answers.
        parent = None
    known: frozenset[UUID] = frozenset()
    if parent is not None and parent.snapshot_id is not None:
        seen = session.get_one(Snapshot, parent.snapshot_id)
        known = frozenset(example.id for example in snapshot_examples(session, seen))
    return Order(
        client_id=cycle.client_id,
        cycle_id=cycle.id,
        name=full_name(session, model),
        numbers=[version.number for version in list_versions(session, model)],
        contract=contract,
        recipe=recipe,
        policy=policy_of(model),
        base=session.get_one(BaseModel, model.base_id),
        parent=parent,
        snapshot=training,
        examples=snapshot_examples(session, training),
        known=known,
        target=frozenset(target_categories(session, cycle)) if parent else frozenset(),
        traffic=unlabelled_traffic(session, cycle=cycle, model=model) if parent else [],
        golden=snapshot_examples(session, golden),
        quantisation=Quantisation(model.quantisation) if model.quantisation else None,
        artifacts=artifacts,
    )


def read_import(session: TenantSession, cycle: RetrainingCycle, artifacts: Artifacts) -> Order:
    """The order of a cycle that trains nothing: what it builds continues no version of ours."""
    model = session.get_one(RegisteredModel, cycle.model_id)
    return Order(
        client_id=cycle.client_id,
        cycle_id=cycle.id,
        name=full_name(session, model),
        numbers=[version.number for version in list_versions(session, model)],
        contract=contract_of(model),
        recipe=Recipe.model_validate(cycle.recipe),
        policy=policy_of(model),
        base=session.get_one(BaseModel, model.base_id),
        parent=None,
        snapshot=None,
        examples=[],
        known=frozenset(),
        target=frozenset(),
        traffic=[],
        golden=snapshot_examples(session, session.get_one(Snapshot, cycle.golden_snapshot_id)),
        quantisation=Quantisation(model.quantisation) if model.quantisation else None,
        artifacts=artifacts,
    )
