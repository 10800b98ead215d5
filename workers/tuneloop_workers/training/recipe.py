"""One training run from spec to adapter folder, resumable at any moment."""

from collections.abc import Callable
from pathlib import Path

import torch

from tuneloop.kit.errors import Conflict
from tuneloop_workers.files import new_folder
from tuneloop_workers.training.adapter import write_adapter
from tuneloop_workers.training.base import load_base, place
from tuneloop_workers.training.batching import plan_batches
from tuneloop_workers.training.checkpoint import Position
from tuneloop_workers.training.data import encoder, read_examples
from tuneloop_workers.training.evaluate import dev_loss
from tuneloop_workers.training.events import Done, Event, Stopped
from tuneloop_workers.training.loop import Run
from tuneloop_workers.training.lora import factors, last_third
from tuneloop_workers.training.objective import Objective
from tuneloop_workers.training.record import Machine, Record, identify, libraries, read_record, write_record
from tuneloop_workers.training.spec import TrainSpec
from tuneloop_workers.training.step import CompletionLoss
from tuneloop_workers.training.warm_start_check import start_model


def train(spec: TrainSpec, emit: Callable[[Event], None], stop: Callable[[], bool]) -> Done | Stopped:
    """Start, or go on with, the run that `spec` describes; its adapter appears as `output/adapter`.

    When `stop` says so the run ends between two steps, with a checkpoint. Raises TuneloopError, with a reason for the
    operator, when the data, the parent or the numbers allow no result.
    """
    identity = identify(spec)
    spec.output.mkdir(parents=True, exist_ok=True)
    target = spec.output / "adapter"
    if done := _finished(target, identity.run_sha256):
        return done

    if spec.threads is not None:
        torch.set_num_threads(spec.threads)
    torch.manual_seed(spec.seed)
    placement = place(spec.device, spec.precision)
    base = load_base(spec.base_weights, placement)

    encode = encoder(base.tokenizer, spec.contract, min(base.max_tokens, spec.context_tokens))
    examples = encode.examples(read_examples(spec.examples))
    dev = encode.examples(read_examples(spec.dev))
    traffic = [encode.example(message) for message in read_examples(spec.traffic)] if spec.traffic else []
    traffic = [each for each in traffic if encode.length(each) <= encode.max_tokens]
    plan = plan_batches(
        examples, epochs=spec.epochs, batch_size=spec.batch_size, new_share=spec.new_share, seed=spec.seed
    )

    checkpoint = spec.output / "checkpoint.safetensors"
    top_layers = None if spec.all_layers else last_third(base.model)
    model, proof = start_model(spec, base, encode, dev, top_layers=top_layers, prove=not checkpoint.exists())
    if proof is not None:
        emit(proof)
    loss = CompletionLoss(model, encode.prefix, encode.labels)
    if top_layers is not None:
        loss.freeze_below(top_layers, [*examples, *dev, *traffic])
    run = Run(spec, model, Objective(loss, spec, encode, examples, traffic), plan, Position(proof=proof), emit)
    run.resume(checkpoint, identity.run_sha256)

    while not run.finished:
        if stop():
            run.save(checkpoint, identity.run_sha256)
            return Stopped(step=run.position.step)
        run.step(examples)
        if run.position.step % spec.checkpoint_every == 0:
            run.save(checkpoint, identity.run_sha256)
    run.keep_mean()
    metrics = run.metrics(dev_loss(loss, dev))
    loss.thaw()

    record = Record(
        run_sha256=identity.run_sha256,
        spec=spec,
        inputs=identity.inputs,
        machine=Machine(device=str(placement.device), dtype=str(placement.dtype), threads=torch.get_num_threads()),
        libraries=libraries(),
        metrics=metrics,
        loss_curve=run.position.loss_curve,
    )

    with new_folder(target) as draft:
        write_adapter(factors(model, spec.rank, spec.alpha), draft)
        write_record(record, draft)
    checkpoint.unlink(missing_ok=True)
    return Done(adapter=target, metrics=metrics)


def _finished(target: Path, run_sha256: str) -> Done | None:
    record = read_record(target)
    if record is None:
        return None
    if record.run_sha256 != run_sha256:
        raise Conflict(f"{target} is the adapter of another run; give this run a folder of its own")
    return Done(adapter=target, metrics=record.metrics)
