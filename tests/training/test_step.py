"""The step's savings change neither the loss nor any gradient."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from tests.support.tiny_models import SLIDING_WINDOW, ArchitectureName
from tuneloop_workers.training.base import Placement, load_base
from tuneloop_workers.training.data import Encoded
from tuneloop_workers.training.fused import fuse
from tuneloop_workers.training.lora import attach, trainable
from tuneloop_workers.training.spec import Group
from tuneloop_workers.training.step import VERIFIED, CompletionLoss, collate

ARCHITECTURES: tuple[ArchitectureName, ...] = ("gemma3", "llama", "qwen2", "qwen3")
Tiny = Callable[[ArchitectureName], Path]


def adapted(weights: Path, device: str = "cpu") -> PeftModel:
    """A model whose adapter is random in both factors, so that every parameter has a gradient."""
    return with_random_adapter(load_base(weights, Placement(torch.device(device), torch.float32)).model)


def with_random_adapter(base: PreTrainedModel) -> PeftModel:
    torch.manual_seed(1)
    base.requires_grad_(False)
    model = attach(base, rank=4, alpha=8, top_layers=None)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.normal_(std=0.05)
    return model


def batch_of(*lengths: int, answer: int = 3) -> list[Encoded]:
    generator = torch.Generator().manual_seed(7)
    rows = [tuple(torch.randint(10, 300, (length,), generator=generator).tolist()) for length in lengths]
    return [Encoded(f"e{i}", Group.OLD, row, min(answer + i, len(row) - 1)) for i, row in enumerate(rows)]


def full_logit_loss(model: PeftModel, prefix: list[int], examples: list[Encoded]) -> Tensor:
    """The definition: one example at a time, logits everywhere, labels masked to the completion."""
    means = []
    for example in examples:
        tokens = torch.tensor([[*prefix, *example.tokens]], device=model.device)
        labels = tokens.clone()
        labels[:, : -example.answer_length] = -100
        logits = model(input_ids=tokens, use_cache=False).logits.float()
        means.append(functional.cross_entropy(logits[0, :-1], labels[0, 1:], ignore_index=-100))
    return torch.stack(means).mean()


def gradients(model: PeftModel, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    found = {}
    for name, parameter in trainable(model).items():
        assert parameter.grad is not None, name
        found[name] = parameter.grad.clone()
    return found


def assert_equal_steps(model: PeftModel, prefix: list[int], examples: list[Encoded], tolerance: float) -> None:
    """Our step on fused layers against the definition on PEFT's own."""
    expected = full_logit_loss(model, prefix, examples)
    expected_gradients = gradients(model, expected)
    fuse(model)
    found = CompletionLoss(model, prefix)(collate(examples))
    found_gradients = gradients(model, found)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    for name, gradient in expected_gradients.items():
        distance = (found_gradients[name] - gradient).norm() / gradient.norm()
        assert distance < 10 * tolerance, f"{name}: relative distance {distance}"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_completion_loss_and_every_gradient_equal_the_full_logit_path(
    tiny_weights: Tiny, architecture: ArchitectureName
) -> None:
    assert_equal_steps(adapted(tiny_weights(architecture)), [2], batch_of(9, 14, 6, 14), 1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("prefix", "suffix"),
    [
        pytest.param(20, 8, id="inside the sliding window"),
        pytest.param(SLIDING_WINDOW - 8, 14, id="suffix crosses the window"),
        pytest.param(SLIDING_WINDOW, 12, id="prefix fills the window"),
        pytest.param(2 * SLIDING_WINDOW + 5, SLIDING_WINDOW + 9, id="both longer than the window"),
    ],
)
def test_shared_prefix_leaves_loss_and_gradients_as_they_are(
    tiny_weights: Tiny, architecture: ArchitectureName, prefix: int, suffix: int
) -> None:
    shared = [2, *torch.randint(10, 300, (prefix - 1,), generator=torch.Generator().manual_seed(3)).tolist()]
    assert_equal_steps(adapted(tiny_weights(architecture)), shared, batch_of(suffix, suffix - 3, 5), 1e-6)


def test_unverified_architecture_takes_the_plain_path() -> None:
    config = AutoConfig.for_model("olmo2", vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2)
    model = with_random_adapter(AutoModelForCausalLM.from_config(config))  # type: ignore[no-untyped-call]
    assert config.model_type not in VERIFIED
    assert_equal_steps(model, list(range(10, 40)), batch_of(9, 12), 1e-6)


def test_long_completions_are_scored_chunk_by_chunk(gemma: Path) -> None:
    assert_equal_steps(adapted(gemma), [2], batch_of(120, 110, answer=90), 1e-6)


def test_every_example_counts_alike_whatever_the_length_of_its_answer() -> None:
    batch = collate(batch_of(20, 20, answer=2))
    per_example = torch.zeros(2).index_add_(0, batch.rows, batch.weights)
    torch.testing.assert_close(per_example, torch.tensor([0.5, 0.5]))


def test_top_layers_leave_lower_adapters_without_gradient(gemma: Path) -> None:
    base = load_base(gemma, Placement(torch.device("cpu"), torch.float32))
    model = attach(base.model, rank=4, alpha=8, top_layers=2)
    CompletionLoss(model, [2])(collate(batch_of(6, 9))).backward()  # type: ignore[no-untyped-call]
    layers = {
        int(name.split(".layers.")[1].split(".")[0]) for name, p in model.named_parameters() if p.grad is not None
    }
    assert layers == {4, 5}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_step_equals_the_full_logit_path(gemma: Path) -> None:
    shared = list(range(10, 10 + 2 * SLIDING_WINDOW))
    assert_equal_steps(adapted(gemma, "cuda"), shared, batch_of(9, 14, 6, 14), 1e-4)
