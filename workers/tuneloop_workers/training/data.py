"""Examples as token ids: read, checked and tokenised exactly as the prompt will be when it is served."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import Field, ValidationError, model_validator
from transformers import PreTrainedTokenizerBase

from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import Contract, Frozen, Task
from tuneloop.registry.templates import Message, end_of_answer, render, render_answer, tokenise
from tuneloop_workers.training.label_set import LabelDecision, LabelSet, label_set
from tuneloop_workers.training.spec import Group

LISTED = 20


class TrainingExample(Frozen):
    id: str
    messages: tuple[Message, ...] = Field(min_length=2)
    weight_group: Group = Group.OLD
    category: str | None = None

    @model_validator(mode="after")
    def ends_with_an_answer(self) -> Self:
        if self.messages[-1].role != "assistant":
            raise ValueError("the last message must be the assistant's")
        return self


class Encoded(NamedTuple):
    """`tokens` follow the shared prefix; the last `answer_length` of them are the completion.

    `decisions` are those between labels that the completion is made of, none where there are no labels.
    """

    id: str
    group: Group
    tokens: tuple[int, ...]
    answer_length: int
    decisions: tuple[LabelDecision, ...] = ()


class Encoder(NamedTuple):
    """A base's tokenizer bound to a contract; every prompt begins with `prefix`, every answer closes with `end`."""

    contract: Contract
    encode: Callable[[str, bool], list[int]]
    prefix: tuple[int, ...]
    end: int
    max_tokens: int
    labels: LabelSet

    def example(self, example: TrainingExample) -> Encoded:
        answer = example.messages[-1].content
        if self.contract.task is Task.CLASSIFY and answer not in self.contract.labels:
            raise InvalidInput(f"example {example.id}: its answer is not a label of this model", id=example.id)
        prompt = tokenise(render(self.contract, example.messages[:-1]).suffix, self.encode)
        completion = [*tokenise(render_answer(self.contract, answer), self.encode), self.end]
        decisions = self.labels.decisions.get(answer, ())
        return Encoded(example.id, example.weight_group, (*prompt, *completion), len(completion), decisions)

    def examples(self, examples: Sequence[TrainingExample]) -> list[Encoded]:
        """Raises InvalidInput, naming every example that is longer than the context."""
        encoded = [self.example(example) for example in examples]
        too_long = {each.id: self.length(each) for each in encoded if self.length(each) > self.max_tokens}
        if too_long:
            named = [f"{name} ({length})" for name, length in too_long.items()]
            more = f" and {len(named) - LISTED} more" if len(named) > LISTED else ""
            raise InvalidInput(
                f"the base reads {self.max_tokens} tokens with the answer, these examples have more: "
                f"{', '.join(named[:LISTED])}{more}; shorten or delete them",
                too_long=too_long,
                limit=self.max_tokens,
            )
        return encoded

    def length(self, encoded: Encoded) -> int:
        return len(self.prefix) + len(encoded.tokens)


def encoder(tokenizer: PreTrainedTokenizerBase, contract: Contract, max_tokens: int) -> Encoder:
    """Text of users is split even where it spells a control token; only template pieces may yield one."""

    def encode(text: str, special: bool) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special))

    beginning = tokenizer.encode("", add_special_tokens=True)
    prefix = (*beginning, *tokenise(render(contract, ()).prefix, encode))
    end = _end(tokenizer, contract)
    labels = {label: tokenise(render_answer(contract, label), encode) for label in contract.labels}
    return Encoder(contract, encode, prefix, end, max_tokens, label_set(labels, end))


def read_examples(path: Path) -> list[TrainingExample]:
    examples = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                examples.append(TrainingExample.model_validate_json(line))
            except ValidationError as error:
                problem = error.errors()[0]
                raise InvalidInput(f"{path.name} line {number}: {problem['msg']}", line=number) from error
    if not examples:
        raise InvalidInput(f"{path.name} holds no examples; training needs at least one")
    return examples


def _end(tokenizer: PreTrainedTokenizerBase, contract: Contract) -> int:
    text = end_of_answer(contract)
    token = tokenizer.eos_token_id if text is None else tokenizer.convert_tokens_to_ids(text)
    if not isinstance(token, int) or token == tokenizer.unk_token_id:
        raise InvalidInput(f"the base has no token that ends a {contract.template} answer; choose another template")
    return token
