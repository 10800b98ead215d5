"""A run's place on disk: one safetensors file with weights, optimiser moments and position.

The batch plan is a pure function of the seed and nothing draws random numbers after set-up, so the number of steps
done is the whole state of the randomness.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tuneloop.kit.errors import Conflict, CorruptArtifact
from tuneloop.registry.contract import Frozen
from tuneloop_workers.files import new_file
from tuneloop_workers.training.events import Proof

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Position(Frozen):
    step: int = 0
    seconds: float = 0.0
    loss_curve: tuple[float, ...] = ()
    proof: Proof | None = None


class Restored(NamedTuple):
    position: Position
    mean: dict[str, Tensor]


def save_checkpoint(
    path: Path,
    run_sha256: str,
    position: Position,
    parameters: Mapping[str, nn.Parameter],
    optimiser: torch.optim.Optimizer,
    mean: Mapping[str, Tensor],
) -> None:
    tensors = {f"mean/{name}": tensor for name, tensor in mean.items()}
    for name, parameter in parameters.items():
        tensors[f"weight/{name}"] = parameter.detach()
        for moment in _MOMENTS if parameter in optimiser.state else ():
            tensors[f"{moment}/{name}"] = optimiser.state[parameter][moment]
    metadata = {"run_sha256": run_sha256, "position": position.model_dump_json()}
    with new_file(path) as draft:
        draft.write_bytes(save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, metadata))


def load_checkpoint(
    path: Path, run_sha256: str, parameters: Mapping[str, nn.Parameter], optimiser: torch.optim.Optimizer
) -> Restored | None:
    """Put weights and moments back; None when there is no checkpoint yet, Conflict when it is another run's."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise CorruptArtifact(f"{path.name} is damaged; remove it to start the run again", path=str(path)) from error
    if metadata.get("run_sha256") != run_sha256:
        raise Conflict(f"{path.parent} holds the checkpoint of another run; give this run a folder of its own")
    state = optimiser.state_dict()
    for number, (name, parameter) in enumerate(parameters.items()):
        parameter.data.copy_(tensors[f"weight/{name}"])
        state["state"][number] = {moment: tensors[f"{moment}/{name}"] for moment in _MOMENTS}
    optimiser.load_state_dict(state)
    mean = {name.removeprefix("mean/"): tensor for name, tensor in tensors.items() if name.startswith("mean/")}
    return Restored(Position.model_validate_json(metadata["position"]), mean)
