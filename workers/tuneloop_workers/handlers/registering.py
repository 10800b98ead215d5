"""A released adapter becomes the version that its attempt sends to the gate."""

import time
from collections.abc import Sequence
from typing import Any

from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.registry.names import next_number
from tuneloop.registry.service import point
from tuneloop.retraining.attempts import attempt_of, note_seconds
from tuneloop.retraining.jobs import CycleStep, EvaluateCandidate, ReleaseCandidate
from tuneloop.retraining.recipe import Method
from tuneloop.retraining.service import at_step, start_step
from tuneloop.retraining.states import advance
from tuneloop.tables import AdapterVersion, Alias, Candidate, CycleState, Origin, RegisteredModel
from tuneloop_workers.artifacts import Artifacts
from tuneloop_workers.handlers.build_version import Release, make_release
from tuneloop_workers.handlers.candidate_selection import TrainedAdapter, Trial
from tuneloop_workers.handlers.training_inputs import Order, read_order
from tuneloop_workers.training.record import read_record


@handles(ReleaseCandidate)
def release_candidate(context: JobContext, job: ReleaseCandidate) -> None:
    artifacts = Artifacts(context.storage, context.settings.unpacked)
    with context.unit() as session:
        cycle = at_step(session, job, CycleState.TRAINING)
        if cycle is None:
            return
        order = read_order(session, cycle, artifacts)
        source = session.get_one(Candidate, attempt_of(session, cycle).source_id)
    register(context, job, order, trial_of(source, artifacts), of=1)


def trial_of(source: Candidate, artifacts: Artifacts) -> Trial:
    """What an earlier attempt trained, as it was tried then."""
    parts = tuple(
        TrainedAdapter(
            artifacts.folder(part["peft_sha256"]), artifacts.path(gguf := part["gguf_sha256"]), gguf, part["scale"]
        )
        for part in source.parts
    )
    return Trial(Method(source.method), source.blend, parts, parts[-1].folder)


def register(
    context: JobContext,
    job: CycleStep,
    order: Order,
    trial: Trial,
    *,
    of: int,
    tried: Sequence[Candidate] = (),
    **seconds: float,
) -> None:
    """Release a trial, one of `of`, and hand it over to evaluation together with all that was `tried`.

    Raises:
        Conflict, CorruptArtifact: as `make_release`.
    """
    started = time.monotonic()
    number = next_number(order.numbers, from_base=trial.method is Method.FROM_BASE)
    release = make_release(context, trial, number=number, order=order)
    with context.unit() as session:
        cycle = at_step(session, job, CycleState.TRAINING)
        if cycle is None:
            return
        model = session.get_one(RegisteredModel, cycle.model_id)
        version = AdapterVersion(
            client_id=model.client_id,
            model_id=model.id,
            number=number,
            digest=release.manifest.digest,
            manifest=release.manifest.model_dump(mode="json"),
            parts=_parts(release, order),
            files=release.files,
            parity=release.parity,
            parent_id=order.parent.id if order.parent else None,
            origin=Origin.IMPORTED if order.imported else Origin.TRAINED,
            snapshot_id=order.snapshot.id if order.snapshot else None,
            training=_training(order, trial, of),
        )
        session.add_all([version, *tried])
        session.flush()
        point(session, model, Alias.CANDIDATE, version.id)
        attempt = attempt_of(session, cycle)
        cycle.candidate_version_id = attempt.candidate_version_id = version.id
        note_seconds(session, cycle, release=time.monotonic() - started, **seconds)
        advance(session, cycle, CycleState.EVALUATING, principal=context.principal, digest=version.digest)
        start_step(session, cycle, EvaluateCandidate)


def _parts(release: Release, order: Order) -> list[dict[str, Any]]:
    """With the files that an imported adapter came as, so that they are known where its files are asked for."""
    if order.imported is None:
        return release.parts
    (part,) = release.parts
    sent = {"config_sha256": order.imported.config_sha256, "weights_sha256": order.imported.weights_sha256}
    return [part | sent]


def _training(order: Order, trial: Trial, of: int) -> dict[str, Any]:
    """How the released adapter came about."""
    if order.imported is not None:
        return {"imported": order.imported.facts.model_dump(mode="json")}
    record = read_record(trial.trained)
    assert record is not None
    training = record.model_dump(mode="json", exclude={"spec": {"base_weights", "examples", "dev", "output", "parent"}})
    training["recipe"] = order.recipe.model_dump(mode="json")
    training["chosen"] = {"method": trial.method, "blend": trial.blend, "of": of}
    return training
