"""One training run from spec to adapter folder, resumable at any moment."""

from collections.abc import Callable
from math import cos, pi
from time import perf_counter

import torch
from torch import Tensor

from tuneloop.kit.errors import TuneloopError
from tuneloop_workers.training.adapter import write_adapter
from tuneloop_workers.training.base import load_base, place
from tuneloop_workers.training.checkpoint import Position, load_checkpoint, save_checkpoint
from tuneloop_workers.training.data import encoder, read_examples
from tuneloop_workers.training.evaluate import dev_loss
from tuneloop_workers.training.events import Checkpoint, Dev, Done, Event, Metrics, Progress, Stopped
from tuneloop_workers.training.files import write_folder
from tuneloop_workers.training.lora import factors, trainable
from tuneloop_workers.training.plan import plan_batches
from tuneloop_workers.training.proof import start_model
from tuneloop_workers.training.record import Machine, Record, identify, libraries, read_record, write_record
from tuneloop_workers.training.spec import TrainSpec
from tuneloop_workers.training.step import CompletionLoss, collate


class Diverged(TuneloopError):
    """The loss or its gradient is no longer a finite number."""

    code = "diverged"


def train(spec: TrainSpec, emit: Callable[[Event], None], stop: Callable[[], bool]) -> Done | Stopped:
    """Start, or go on with, the run that `spec` describes; its adapter appears as `output/adapter`.

    When `stop` says so the run ends between two steps, with a checkpoint. Raises TuneloopError, with a reason for the
    operator, when the data, the parent or the numbers allow no result.
    """
    identity = identify(spec)
    target = spec.output / "adapter"
    finished = read_record(target)
    if finished is not None and finished.run_sha256 == identity.run_sha256:
        return Done(adapter=target, metrics=finished.metrics)

    if spec.threads is not None:
        torch.set_num_threads(spec.threads)
    torch.manual_seed(spec.seed)
    placement = place(spec.device, spec.precision)
    base = load_base(spec.base_weights, placement)

    encode = encoder(base.tokenizer, spec.contract, base.max_tokens)
    prefix = encode.prefix()
    examples = [encode.example(example) for example in read_examples(spec.examples)]
    dev = [encode.example(example) for example in read_examples(spec.dev)]
    plan = plan_batches(
        examples, epochs=spec.epochs, batch_size=spec.batch_size, new_share=spec.new_share, seed=spec.seed
    )
    evaluate_every = spec.evaluate_every or max(1, len(plan) // (2 * spec.epochs))

    checkpoint = spec.output / "checkpoint.safetensors"
    model, proof = start_model(spec, base.model, prefix, dev, prove=not checkpoint.exists())
    loss = CompletionLoss(model, prefix)
    parameters = trainable(model)
    optimiser = torch.optim.AdamW(parameters.values(), weight_decay=0.0, fused=True)
    position, best = load_checkpoint(checkpoint, identity.run_sha256, parameters, optimiser) or Position(proof=proof), {}
