"""The step's savings change neither the loss nor any gradient."""

import itertools
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
from tuneloop_workers.training.label_set import LabelSet, label_set
from tuneloop_workers.training.lora import attach, trainable
from tuneloop_workers.training.objective import among
from tuneloop_workers.training.spec import Group
from tuneloop_workers.training.step import VERIFIED, CompletionLoss, Kept

ARCHITECTURES: tuple[ArchitectureName, ...] = ("gemma3", "llama", "qwen2", "qwen3")
Tiny = Callable[[ArchitectureName], Path]
NO_LABELS = LabelSet()
LABELS = {"card": (40, 41), "card lost": (40, 42), "card blocked": (40, 42, 43), "refund": (50,), "other": (51, 52, 53)}
"""Token ids of labels, of which one begins another and three begin alike."""
END = 1


def adapted(weights: Path, device: str = "cpu") -> PeftModel:
    """A model whose adapter is random in both factors, so that every parameter has a gradient."""
    return with_random_adapter(load_base(weights, Placement(torch.device(device), torch.float32)).model)


def with_random_adapter(base: PreTrainedModel, top_layers: int | None = None) -> PeftModel:
    torch.manual_seed(1)
    base.requires_grad_(False)
    model = attach(base, rank=4, alpha=8, top_layers=top_layers)
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
    found = CompletionLoss(model, prefix, NO_LABELS).vocabulary_loss(examples)
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


@pytest.mark.parametrize("architecture", ["gemma2", "mistral", "phi3"])
def test_families_without_savings_train_by_the_model_s_own_logits(
    tiny_weights: Tiny, architecture: ArchitectureName
) -> None:
    model = adapted(tiny_weights(architecture))
    assert model.config.model_type not in VERIFIED
    assert_equal_steps(model, list(range(10, 40)), batch_of(9, 12), 1e-6)


def test_long_completions_are_scored_chunk_by_chunk(gemma: Path) -> None:
    assert_equal_steps(adapted(gemma), [2], batch_of(120, 110, answer=90), 1e-6)


def labelled(*lengths: int) -> list[Encoded]:
    """Examples of each label in turn, their prompts of these lengths."""
    labels = label_set(LABELS, END)
    found = []
    for number, (example, name) in enumerate(zip(batch_of(*lengths), itertools.cycle(LABELS), strict=False)):
        completion = (*LABELS[name], END)
        tokens = (*example.tokens, *completion)
        found.append(Encoded(f"l{number}", Group.OLD, tokens, len(completion), labels.decisions[name]))
    return found


def served_probability(model: PeftModel, prefix: list[int], prompt: tuple[int, ...], wanted: str) -> Tensor:
    """The definition: at each token, softmax over the tokens by which the labels that are still possible go on."""
    possible = {name: (*tokens, END) for name, tokens in LABELS.items()}
    probability = torch.ones(())
    for depth, token in enumerate(possible[wanted]):
        path = possible[wanted][:depth]
        allowed = sorted({t[depth] for t in possible.values() if t[:depth] == path and len(t) > depth})
        ids = torch.tensor([[*prefix, *prompt, *path]], device=model.device)
        logits = model(input_ids=ids, use_cache=False).logits[0, -1, allowed].float()
        probability = probability * logits.softmax(dim=0)[allowed.index(token)]
    return probability


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("prefix", [[2], list(range(10, 50))], ids=["short prefix", "shared prefix"])
def test_label_loss_and_every_gradient_are_of_the_probability_that_serving_computes(
    tiny_weights: Tiny, architecture: ArchitectureName, prefix: list[int]
) -> None:
    model, examples = adapted(tiny_weights(architecture)), labelled(9, 14, 6, 14, 7)
    prompts = [example.tokens[: -example.answer_length] for example in examples]
    wanted = [served_probability(model, prefix, p, name) for p, name in zip(prompts, LABELS, strict=True)]
    expected = -torch.stack(wanted).log().mean()
    expected_gradients = gradients(model, expected)
    fuse(model)
    found = CompletionLoss(model, prefix, label_set(LABELS, END)).label_loss(examples)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for name, gradient in gradients(model, found).items():
        assert (gradient - expected_gradients[name]).norm() <= 1e-4 * expected_gradients[name].norm(), name


def test_kept_messages_cost_nothing_where_the_model_still_is_its_parent_and_leave_new_labels_alone(gemma: Path) -> None:
    """Cross-entropy to oneself is least at oneself; what a label that does not stay is given is free."""
    model, labels = adapted(gemma), label_set(LABELS, END)
    fuse(model)
    loss, (message, example) = CompletionLoss(model, [2], labels), labelled(9, 14)
    staying = labels.leading_to({"card", "card lost", "card blocked", "refund"})
    probabilities = loss.label_probabilities([message])[0]
    kept = Kept(message, among(probabilities, [staying[d.path] for d in message.decisions]))
    alone, both = loss.label_loss([example]), loss.label_loss([example], kept=[kept])
    difference = gradients(model, both - alone)
    assert all(gradient.abs().max() < 1e-5 for gradient in difference.values())
    (root, *_), other = message.decisions, labels.decisions["other"][0].chosen
    assert other in root.allowed
    assert other not in staying[root.path]
    assert kept.probabilities[0, other].isnan()
    assert kept.probabilities[0].nan_to_num(0.0).sum() == pytest.approx(1.0)


def test_offsets_make_what_batches_are_full_of_pay_for_it(gemma: Path) -> None:
    model, labels = adapted(gemma), label_set(LABELS, END)
    loss, examples = CompletionLoss(model, [2], labels), labelled(9, 14)
    plain = loss.label_loss(examples)
    offsets = {d.path: torch.zeros(len(d.allowed)) for d in examples[0].decisions + examples[1].decisions}
    torch.testing.assert_close(loss.label_loss(examples, offsets=offsets), plain)
    root = examples[0].decisions[0]
    offsets[root.path][root.allowed.index(root.chosen)] = 2.0
    assert loss.label_loss(examples[:1], offsets=offsets) < loss.label_loss(examples[:1])


def test_label_loss_of_an_unverified_architecture_takes_the_plain_path() -> None:
    config = AutoConfig.for_model("olmo2", vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2)
    model = with_random_adapter(AutoModelForCausalLM.from_config(config))  # type: ignore[no-untyped-call]
    examples = labelled(9, 14)
    prompts = [example.tokens[: -example.answer_length] for example in examples]
    wanted = [served_probability(model, [2], p, name) for p, name in zip(prompts, LABELS, strict=False)]
    found = CompletionLoss(model, [2], label_set(LABELS, END)).label_loss(examples)
    torch.testing.assert_close(found, -torch.stack(wanted).log().mean(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("prefix", [1, SLIDING_WINDOW + 5])
def test_states_of_the_frozen_layers_leave_losses_and_gradients_as_they_are(
    tiny_weights: Tiny, architecture: ArchitectureName, prefix: int
) -> None:
    base = load_base(tiny_weights(architecture), Placement(torch.device("cpu"), torch.float32)).model
    model = with_random_adapter(base, top_layers=2)
    shared = [2, *torch.randint(10, 300, (prefix - 1,), generator=torch.Generator().manual_seed(3)).tolist()]
    examples = labelled(9, 14, 6, SLIDING_WINDOW + 3)
    fuse(model)
    loss = CompletionLoss(model, shared, label_set(LABELS, END))

    parameters = tuple(trainable(model).values())

    def both() -> list[tuple[Tensor, list[Tensor]]]:
        values = [loss.label_loss(examples[:3]), loss.vocabulary_loss(examples[1:])]
        return [(value, list(torch.autograd.grad(value, parameters))) for value in values]

    before = both()
    loss.freeze_below(2, examples)
    for (value, found), (expected, wanted) in zip(both(), before, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
        for gradient, whole in zip(found, wanted, strict=True):
            assert (gradient - whole).norm() <= 1e-4 * whole.norm()
    loss.thaw()
    torch.testing.assert_close(loss.label_loss(examples[:3]), before[0][0], rtol=1e-5, atol=1e-5)


def test_every_example_counts_alike_whatever_the_length_of_its_answer(gemma: Path) -> None:
    model = adapted(gemma)
    loss = CompletionLoss(model, [2], NO_LABELS)
    long, short = batch_of(20, 20, answer=2)
    each = torch.stack([loss.vocabulary_loss([example]) for example in (long, short)])
    assert long.answer_length != short.answer_length
    torch.testing.assert_close(loss.vocabulary_loss([long, short]), each.mean(), rtol=1e-5, atol=1e-5)


def test_top_layers_leave_lower_adapters_without_gradient(gemma: Path) -> None:
    base = load_base(gemma, Placement(torch.device("cpu"), torch.float32))
    model = attach(base.model, rank=4, alpha=8, top_layers=2)
    CompletionLoss(model, [2], NO_LABELS).vocabulary_loss(batch_of(6, 9)).backward()  # type: ignore[no-untyped-call]
    layers = {
        int(name.split(".layers.")[1].split(".")[0]) for name, p in model.named_parameters() if p.grad is not None
    }
    assert layers == {4, 5}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_step_equals_the_full_logit_path(gemma: Path) -> None:
    shared = list(range(10, 10 + 2 * SLIDING_WINDOW))
    assert_equal_steps(adapted(gemma, "cuda"), shared, batch_of(9, 14, 6, 14), 1e-4)
