"""Train a cycle's adapters, try them and their blends on the dev split, and release the chosen one as a version."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.retraining.jobs import TrainCandidate
from tuneloop.retraining.model_selection import Dev, choose, row_of
from tuneloop.retraining.recipe import Method
from tuneloop.retraining.service import at_step
from tuneloop.retraining.states import advance
from tuneloop.tables import Candidate, CycleState
from tuneloop_workers.artifacts import Artifacts
from tuneloop_workers.handlers.build_version import store_parts
from tuneloop_workers.handlers.candidate_selection import Trial, trials_of, try_all
from tuneloop_workers.handlers.data import Split, split, write_examples, write_traffic
from tuneloop_workers.handlers.registering import register
from tuneloop_workers.handlers.trainer_process import run_trainer
from tuneloop_workers.handlers.training_inputs import Order, read_order
from tuneloop_workers.training.adapter import read_adapter
from tuneloop_workers.training.spec import Method as TrainMethod
from tuneloop_workers.training.spec import ParentPart, TrainSpec

log = structlog.get_logger(__name__)

HIGHEST_RANK = 256


@dataclass(frozen=True)
class ScoredTrial:
    """A trial and how it did; `dev` is empty where there was nothing to choose between."""

    trial: Trial
    dev: Dev


@dataclass(frozen=True)
class TrainingResult:
    """What the training step found: all that was tried, production's own scores, and why a method gave nothing."""

    tried: list[ScoredTrial]
    production: Dev
    chosen: int
    failures: dict[Method, str]

    @property
    def winner(self) -> Trial:
        return self.tried[self.chosen].trial


@handles(TrainCandidate)
def train_candidate(context: JobContext, job: TrainCandidate) -> None:
    artifacts = Artifacts(context.storage, context.settings.unpacked)
    order = _open(context, job, artifacts)
    if order is None:
        return
    started = time.monotonic()
    parts = split(order.examples, known=order.known, target=order.target, dev_share=order.recipe.dev_share)
    trials, failures = _train_all(context, order, parts)
    outcome = _choose(context, trials, failures, order, parts)
    tried = _candidates(context, job, order, outcome)
    seconds = time.monotonic() - started
    register(context, job, order, outcome.winner, of=len(outcome.tried), tried=tried, train=seconds)


def _open(context: JobContext, job: TrainCandidate, artifacts: Artifacts) -> Order | None:
    """Start or take up the training step; None when the cycle is past it."""
    with context.unit() as session:
        cycle = at_step(session, job, CycleState.APPROVED, CycleState.TRAINING)
        if cycle is None:
            return None
        if cycle.state is CycleState.APPROVED:
            advance(session, cycle, CycleState.TRAINING, principal=context.principal)
        return read_order(session, cycle, artifacts)


def _train_all(context: JobContext, order: Order, parts: Split) -> tuple[list[Trial], dict[Method, str]]:
    """One adapter for each method. A method that the trainer refuses is left out, unless nothing would be left."""
    folder = context.workspace
    write_examples(folder / "train.jsonl", parts.train, parts.new)
    write_examples(folder / "dev.jsonl", parts.dev, parts.new)
    trials: list[Trial] = []
    failures: dict[Method, str] = {}
    for place, method in enumerate(order.recipe.methods, start=1):
        own = folder / method
        own.mkdir(exist_ok=True)
        spec = _spec(context, order, method, own)
        spec_file = own / "spec.json"
        spec_file.write_text(spec.model_dump_json())
        try:
            done = run_trainer(context, spec_file, run=f"{method}, {place} of {len(order.recipe.methods)}")
        except InvalidInput as error:
            log.warning("method_refused", cycle_id=str(order.cycle_id), method=method, reason=error)
            failures[method] = error.message
            continue
        context.report(stage="exporting")
        trials += trials_of(own, method, done.adapter, spec, order)
    if not trials:
        raise InvalidInput("; ".join(failures.values()))
    return trials, failures


def _choose(
    context: JobContext, trials: list[Trial], failures: dict[Method, str], order: Order, parts: Split
) -> TrainingResult:
    if len(trials) == 1:
        return TrainingResult([ScoredTrial(trials[0], {})], {}, 0, failures)
    production, scores = try_all(context, trials, order, parts)
    tried = [ScoredTrial(trial, dev) for trial, dev in zip(trials, scores, strict=True)]
    chosen = choose(production, scores, [trial.blend for trial in trials], order.policy)
    return TrainingResult(tried, production, chosen, failures)


def _spec(context: JobContext, order: Order, method: Method, own: Path) -> TrainSpec:
    recipe = order.recipe
    going_on = method is Method.CONTINUE and order.parent is not None
    parent = tuple(
        ParentPart(folder=order.artifacts.folder(part["peft_sha256"]), scale=part["scale"])
        for part in (order.parent.parts if going_on and order.parent else ())
    )
    # A blend keeps its exact value only at the summed rank of its parts.
    summed = sum(read_adapter(part.folder).rank for part in parent)
    rank = min(summed or recipe.rank, HIGHEST_RANK)
    traffic = context.workspace / "traffic.jsonl"
    chosen: dict[str, Any] = {
        name: value for name in ("epochs", "peak_lr") if (value := getattr(recipe, name)) is not None
    }
    return TrainSpec(
        base_weights=order.base_weights,
        base_sha256=order.base.weights_sha256,
        contract=order.contract,
        context_tokens=order.base.context_length,
        examples=context.workspace / "train.jsonl",
        dev=context.workspace / "dev.jsonl",
        output=own / "out",
        traffic=traffic if going_on and write_traffic(traffic, order.traffic, order.contract.labels) else None,
        staying=order.staying if going_on else (),
        method=TrainMethod.CONTINUE if going_on else TrainMethod.FROM_BASE,
        parent=parent,
        all_layers=recipe.all_layers or not going_on,
        rank=rank,
        alpha=recipe.alpha * rank // recipe.rank,
        new_share=recipe.new_share,
        seed=recipe.seed,
        threads=context.settings.cpu_threads,
        **chosen,
    )


def _candidates(context: JobContext, job: TrainCandidate, order: Order, outcome: TrainingResult) -> list[Candidate]:
    """All that was tried, with its adapters where a further attempt may send another one of them to the gate."""
    mine: dict[str, Any] = {"client_id": order.client_id, "cycle_id": order.cycle_id, "attempt": job.attempt}
    keeps = order.recipe.further_attempts > 0 and len(outcome.tried) > 1
    stored = store_parts(context, [each.trial for each in outcome.tried]) if keeps else [[] for _ in outcome.tried]
    tried = [
        Candidate(
            **mine,
            method=each.trial.method,
            blend=each.trial.blend,
            dev=row_of(each.dev, outcome.production),
            parts=parts,
            chosen=place == outcome.chosen,
        )
        for place, (each, parts) in enumerate(zip(outcome.tried, stored, strict=True))
    ]
    refused = [
        Candidate(**mine, method=method, blend=1.0, dev={"failure": reason})
        for method, reason in outcome.failures.items()
    ]
    return tried + refused
