"""A version made ready for one engine: adapters, prompt prefix and label tree in the engine's own tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.templates import Message, end_of_answer, render, render_answer, tokenise
from tuneloop_workers.llama import Model
from tuneloop_workers.serving import trie
from tuneloop_workers.serving.decoding import Options


class LoraFile(NamedTuple):
    """A GGUF LoRA file, its expected digest, and the scale it is applied with."""

    sha256: str
    path: Path
    scale: float = 1.0


AdapterKey = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Servable:
    contract: Contract
    adapters: tuple[LoraFile, ...]
    prefix: tuple[int, ...]
    end: int
    labels: Mapping[str, tuple[int, ...]]
    first_choice: trie.Choice | None

    @property
    def key(self) -> AdapterKey:
        """Two requests may share a batch, or a prefix, only under the same key."""
        return tuple((adapter.sha256, adapter.scale) for adapter in self.adapters)

    def suffix(self, model: Model, messages: Sequence[Message]) -> tuple[int, ...]:
        return tuple(tokenise(render(self.contract, messages).suffix, model.encode))

    def options(self) -> Options:
        """The contract's own decoding."""
        decoding = self.contract.decoding
        return Options(max_tokens=decoding.max_tokens, temperature=decoding.temperature, stop=decoding.stop)


def prepare(model: Model, contract: Contract, adapters: Sequence[LoraFile]) -> Servable:
    """Raises InvalidInput when the base can't tell two labels apart or does not know the template's end token."""
    end = _end_token(model, contract)
    labels = {label: tuple(tokenise(render_answer(contract, label), model.encode)) for label in contract.labels}
    return Servable(
        contract=contract,
        adapters=_merged(adapters),
        prefix=(*model.start, *tokenise(render(contract, ()).prefix, model.encode)),
        end=end,
        labels=labels,
        first_choice=trie.build(labels, end) if contract.task is Task.CLASSIFY else None,
    )


def _end_token(model: Model, contract: Contract) -> int:
    control = end_of_answer(contract)
    if control is None:
        return model.end_of_sequence
    tokens = model.encode(control, True)
    if len(tokens) != 1:
        raise InvalidInput(
            f"this base has no token {control}, which ends a {contract.template} answer; choose another template",
            template=contract.template,
        )
    return tokens[0]


def _merged(adapters: Sequence[LoraFile]) -> tuple[LoraFile, ...]:
    """In one order whatever the manifest's, a file that is named twice with its scales added."""
    by_digest: dict[str, LoraFile] = {}
    for adapter in sorted(adapters):
        before = by_digest.get(adapter.sha256)
        by_digest[adapter.sha256] = adapter._replace(scale=adapter.scale + (before.scale if before else 0.0))
    return tuple(by_digest.values())
