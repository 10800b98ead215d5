"""Prompts as training reads them, and proof that serving reads them alike: the same token ids, labels included."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from tuneloop.kit.errors import Conflict
from tuneloop.registry.contract import Contract
from tuneloop.registry.templates import Message, render, render_answer, tokenise
from tuneloop_workers.bases.tokenizers import beginning, encode
from tuneloop_workers.llama import Model
from tuneloop_workers.serving.servable import Servable

SHOWN = 3


class Prompt(NamedTuple):
    """`name` stands for the text in messages of ours, which are kept longer than the text may be."""

    name: str
    messages: Sequence[Message]


class TokenizedPrompts(NamedTuple):
    """Token ids; each suffix ends where the first decision is taken: labels with a common beginning part behind it."""

    prefix: list[int]
    suffixes: list[list[int]]
    labels: dict[str, list[int]]


def read(tokenizer: PreTrainedTokenizerBase, contract: Contract, prompts: Sequence[Prompt]) -> TokenizedPrompts:
    def ours(text: str, special: bool) -> list[int]:
        return encode(tokenizer, text, special)

    labels = {label: tokenise(render_answer(contract, label), ours) for label in contract.labels}
    opening = _shared(list(labels.values()))
    return TokenizedPrompts(
        beginning(tokenizer) + tokenise(render(contract, ()).prefix, ours),
        [tokenise(render(contract, prompt.messages).suffix, ours) + opening for prompt in prompts],
        labels,
    )


def require_same(
    reading: TokenizedPrompts,
    model: Model,
    version: Servable,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
) -> None:
    """Raises Conflict with the first token that the served version reads otherwise."""
    opening = version.first_choice.path if version.first_choice else ()
    trained = {
        prompt.name: reading.prefix + suffix for prompt, suffix in zip(prompts, reading.suffixes, strict=True)
    } | {f"label {label!r}": tokens for label, tokens in reading.labels.items()}
    served = {
        prompt.name: [*version.prefix, *version.suffix(model, prompt.messages), *opening] for prompt in prompts
    } | {f"label {label!r}": list(tokens) for label, tokens in version.labels.items()}
    names = list(trained | served)
    wrong = [name for name in names if trained.get(name) != served.get(name)]
    if not wrong:
        return
    ours, theirs = trained.get(wrong[0], []), served.get(wrong[0], [])
    at = next(place for place, (left, right) in enumerate(zip_longest(ours, theirs)) if left != right)
    raise Conflict(
        f"{len(wrong)} of {len(names)} prompts and labels are other tokens in training than in serving, first "
        f"{wrong[0]}: token {at + 1} is {_token(tokenizer, ours, at)} in training, {_token(tokenizer, theirs, at)} in "
        "serving. A version serves the prompt, template and labels that it was trained with, on weights and GGUF of "
        "one revision: propose the retrain again; if that does not help, register the base again",
        misread=wrong[:SHOWN],
        n=len(names),
    )


def _shared(sequences: Sequence[Sequence[int]]) -> list[int]:
    """What all sequences begin with."""
    shared = []
    for column in zip(*sequences, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    return shared


def _token(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], at: int) -> str:
    return repr(tokenizer.decode([tokens[at]])) if at < len(tokens) else "missing"
