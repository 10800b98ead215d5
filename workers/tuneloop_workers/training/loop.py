"""A run under way: one optimiser step, one checkpoint at a time."""

from collections.abc import Callable, Sequence
from math import cos, pi
from pathlib import Path
from time import perf_counter

import torch
from peft import PeftModel
from torch import Tensor

from tuneloop.kit.errors import TuneloopError
from tuneloop_workers.training.batching import Batch
from tuneloop_workers.training.checkpoint import Position, load_checkpoint, save_checkpoint
from tuneloop_workers.training.data import Encoded
from tuneloop_workers.training.events import Checkpoint, Event, Metrics, Progress
from tuneloop_workers.training.lora import trainable
from tuneloop_workers.training.objective import Objective
from tuneloop_workers.training.spec import Group, TrainSpec


class Diverged(TuneloopError):
    """The loss or its gradient is no longer a finite number."""

    code = "diverged"
    transient = False


class Run:
    """Model, optimiser and position in the plan. Everything it reports goes to `emit`."""

    def __init__(
        self,
        spec: TrainSpec,
        model: PeftModel,
        objective: Objective,
        plan: Sequence[Batch],
        position: Position,
        emit: Callable[[Event], None],
    ) -> None:
        self.position = position
        self._mean: dict[str, Tensor] = {}
        self._spec = spec
        self._objective = objective
        self._plan = plan
        self._emit = emit
        self._parameters = trainable(model)
        self._optimiser = torch.optim.AdamW(self._parameters.values(), lr=spec.peak_lr, weight_decay=0.0, fused=True)

    def resume(self, path: Path, run_sha256: str) -> None:
        restored = load_checkpoint(path, run_sha256, self._parameters, self._optimiser)
        if restored is not None:
            self.position, self._mean = restored

    def save(self, path: Path, run_sha256: str) -> None:
        save_checkpoint(path, run_sha256, self.position, self._parameters, self._optimiser, self._mean)
        self._emit(Checkpoint(step=self.position.step))

    @property
    def finished(self) -> bool:
        return self.position.step == len(self._plan)

    def metrics(self, dev_loss: dict[Group, float]) -> Metrics:
        position = self.position
        return Metrics(
            steps=position.step,
            dev_loss=dev_loss,
            proof=position.proof,
            train_seconds=position.seconds,
            examples_per_second=position.step * self._spec.batch_size / position.seconds,
        )

    def step(self, examples: Sequence[Encoded]) -> None:
        """One batch, one update; raises Diverged instead of updating with numbers that are not finite."""
        started = perf_counter()
        number = self.position.step
        rate = learning_rate(number, len(self._plan), peak=self._spec.peak_lr, warmup_share=self._spec.warmup_share)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss = self._objective(number, [examples[i] for i in self._plan[number]])
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._parameters.values(), self._spec.max_grad_norm)
        if not (loss.isfinite() and norm.isfinite()):
            raise Diverged(
                f"step {number + 1}: loss {loss.item()}, gradient norm {norm.item()}; lower peak_lr or check the data",
                step=number + 1,
            )
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._average(number)
        curve = self.position.loss_curve
        shown = loss.item() if self._objective.comparable(number) else curve[-1]
        self._advance(shown, rate, perf_counter() - started)

    @torch.no_grad()
    def keep_mean(self) -> None:
        for name, mean in self._mean.items():
            self._parameters[name].copy_(mean)

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """The running mean of the weights after each of the last steps; it swings less than any one of them."""
        first = min(round(len(self._plan) * (1.0 - self._spec.average_share)), len(self._plan) - 1)
        if step < first:
            return
        for name, parameter in self._parameters.items():
            if step == first:
                self._mean[name] = parameter.detach().clone()
            else:
                self._mean[name].lerp_(parameter, 1.0 / (step - first + 1))

    def _advance(self, loss: float, rate: float, seconds: float) -> None:
        step, spent = self.position.step + 1, self.position.seconds + seconds
        self.position = self.position.model_copy(
            update={"step": step, "seconds": spent, "loss_curve": (*self.position.loss_curve, loss)}
        )
        self._emit(
            Progress(
                step=step,
                steps=len(self._plan),
                loss=loss,
                learning_rate=rate,
                examples_per_second=step * self._spec.batch_size / spent,
                seconds_left=(len(self._plan) - step) * spent / step,
            )
        )


def learning_rate(step: int, steps: int, *, peak: float, warmup_share: float) -> float:
    """Linear warm-up over the first share of the steps, then a half cosine to zero; `step` counts from 0."""
    warmup = max(1, round(steps * warmup_share))
    if step < warmup:
        return peak * (step + 1) / warmup
    return 0.5 * peak * (1.0 + cos(pi * (step - warmup) / max(1, steps - warmup)))
