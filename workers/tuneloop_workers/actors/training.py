"""Train a candidate: data and parent from the cycle, the trainer as a child, then the release of a new version."""

from typing import Any
from uuid import UUID

from tuneloop.registry.service import point
from tuneloop.retraining.jobs import EvaluateCandidate, FailCycle, TrainCandidate
from tuneloop.retraining.recipe import Method
from tuneloop.retraining.service import fail_cycle, lock_cycle, start_step
from tuneloop.retraining.states import advance
from tuneloop.tables import (
    AdapterVersion,
    Alias,
    CycleState,
    RegisteredModel,
)
from tuneloop_workers.actors.child import run_trainer
from tuneloop_workers.actors.data import split, write_examples
from tuneloop_workers.actors.order import Order, read_order
from tuneloop_workers.actors.release import Release, make_release
from tuneloop_workers.artifacts import Artifacts
from tuneloop_workers.runtime import Context, handles
from tuneloop_workers.training.adapter import read_adapter
from tuneloop_workers.training.record import read_record
from tuneloop_workers.training.spec import Method as TrainMethod
from tuneloop_workers.training.spec import ParentPart, TrainSpec


@handles(TrainCandidate)
def train_candidate(context: Context, job: TrainCandidate) -> None:
    order = _open(context, job.cycle_id)
    if order is None:
        return
    artifacts = Artifacts(context.storage, context.settings.data_dir.resolve() / "unpacked")
    spec = _write_spec(context, order, artifacts)
    spec_file = context.workspace / "spec.json"
    spec_file.write_text(spec.model_dump_json())
    done = run_trainer(context, spec_file)
    context.report(stage="exporting")
    release = make_release(
        context,
        artifacts,
        trained=done.adapter,
        spec=spec,
        order=order,
    )
    record = read_record(done.adapter)
    assert record is not None
    training = record.model_dump(mode="json", exclude={"spec": {"base_weights", "examples", "dev", "output", "parent"}})
    training["recipe"] = order.recipe.model_dump(mode="json")
    _close(context, order, release, training)


def _open(context: Context, cycle_id: UUID) -> Order | None:
    """Start or take up the training step; None when the cycle is past it."""
    with context.unit() as session:
        cycle = lock_cycle(session, cycle_id)
        if cycle.state is CycleState.APPROVED:
            advance(session, cycle, CycleState.TRAINING, principal=context.principal)
        elif cycle.state is not CycleState.TRAINING:
            return None
        return read_order(session, cycle)


def _write_spec(context: Context, order: Order, artifacts: Artifacts) -> TrainSpec:
    folder, recipe = context.workspace, order.recipe
    parts = split(order.examples, known=order.known, dev_share=recipe.dev_share)
    write_examples(folder / "train.jsonl", parts.train, parts.new)
    write_examples(folder / "dev.jsonl", parts.dev, parts.new)
    going_on = recipe.method is Method.CONTINUE and order.parent is not None
    parent = tuple(
        ParentPart(folder=artifacts.folder(part["peft_sha256"]), scale=part["scale"])
        for part in (order.parent.parts if going_on and order.parent else ())
    )
    # A blend keeps its exact value only at the summed rank of its parts.
    rank = sum(read_adapter(part.folder).rank for part in parent) if len(parent) > 1 else recipe.rank
    chosen: dict[str, Any] = {
        name: value for name in ("epochs", "peak_lr") if (value := getattr(recipe, name)) is not None
    }
    return TrainSpec(
        base_weights=artifacts.folder(order.base.weights_sha256),
        base_sha256=order.base.weights_sha256,
        contract=order.contract,
        examples=folder / "train.jsonl",
        dev=folder / "dev.jsonl",
        output=folder / "out",
        method=TrainMethod.CONTINUE if going_on else TrainMethod.FROM_BASE,
        parent=parent,
        rank=rank,
        alpha=recipe.alpha * rank // recipe.rank,
        new_share=recipe.new_share,
        seed=recipe.seed,
        threads=context.settings.cpu_threads,
        **chosen,
    )


def _close(context: Context, order: Order, release: Release, training: dict[str, Any]) -> None:
    """Register the version and hand over to evaluation, in one transaction."""
    with context.unit() as session:
        cycle = lock_cycle(session, order.cycle_id)
        model = session.get_one(RegisteredModel, cycle.model_id)
        version = AdapterVersion(
            client_id=model.client_id,
            model_id=model.id,
            number=order.number,
            digest=release.manifest.digest,
            manifest=release.manifest.model_dump(mode="json"),
            parts=[part.row() for part in release.parts],
            files=release.files,
            parity=release.parity,
            parent_id=order.parent.id if order.parent else None,
            snapshot_id=order.snapshot.id,
            training=training,
        )
        session.add(version)
        session.flush()
        point(session, model, Alias.CANDIDATE, version.id)
        cycle.candidate_version_id = version.id
        advance(session, cycle, CycleState.EVALUATING, principal=context.principal, digest=version.digest)
        start_step(session, cycle, EvaluateCandidate(cycle_id=cycle.id))


@handles(FailCycle)
def close_failed_cycle(context: Context, job: FailCycle) -> None:
    with context.unit() as session:
        fail_cycle(session, cycle_id=job.cycle_id, reason=job.reason)
