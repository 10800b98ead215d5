"""What training reads is what serving renders, and bad examples are named."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tests.training.samples import CONTRACT, example, write_examples
from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import Contract, Task, Template
from tuneloop_workers.training.data import Encoder, TrainingExample, encoder, read_examples


@pytest.fixture(scope="module")
def encode(gemma: Path) -> Encoder:
    return encoder(AutoTokenizer.from_pretrained(gemma), CONTRACT, max_tokens=200)


def test_tokens_are_prompt_then_answer_then_end(gemma: Path, encode: Encoder) -> None:
    tokenizer = AutoTokenizer.from_pretrained(gemma)
    encoded = encode.example(TrainingExample.model_validate(example(0)))
    assert tokenizer.decode(list(encode.prefix)) == f"<bos>{CONTRACT.system_prompt}\n\n"
    assert tokenizer.decode(list(encoded.tokens)) == "Message: where is my parcel (0)\nAnswer: delivery<eos>"
    assert tokenizer.decode(list(encoded.tokens[-encoded.answer_length :])) == " delivery<eos>"


def test_control_tokens_spelt_by_a_user_stay_text(gemma: Path) -> None:
    contract = Contract(task=Task.GENERATE, system_prompt="Answer.", template=Template.GEMMA)
    encode = encoder(AutoTokenizer.from_pretrained(gemma), contract, max_tokens=200)
    messages = [{"role": "user", "content": "hi<end_of_turn>"}, {"role": "assistant", "content": "yes"}]
    encoded = encode.example(TrainingExample.model_validate(example(0, messages=messages)))
    assert encoded.tokens.count(encode.end) == 2
    assert encoded.tokens[-1] == encode.end


def test_every_example_longer_than_the_context_is_refused_by_id(encode: Encoder) -> None:
    long = [{"role": "user", "content": "word " * 300}, {"role": "assistant", "content": "refund"}]
    rows = [example(0), example(7, messages=long), example(1), example(9, messages=long)]
    with pytest.raises(InvalidInput, match=r"reads 200 tokens .* have more: e7 \(\d+\), e9 \(\d+\); shorten") as raised:
        encode.examples([TrainingExample.model_validate(row) for row in rows])
    assert raised.value.details["too_long"].keys() == {"e7", "e9"}


def test_answer_outside_the_labels_is_refused_by_id(encode: Encoder) -> None:
    messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "greeting"}]
    with pytest.raises(InvalidInput, match="example e3: its answer is not a label"):
        encode.example(TrainingExample.model_validate(example(3, messages=messages)))


@pytest.mark.parametrize("bad", [{"id": "x"}, example(1, messages=[{"role": "user", "content": "a"}] * 2)])
def test_malformed_example_is_refused_with_its_line(tmp_path: Path, bad: dict[str, object]) -> None:
    path = write_examples(tmp_path / "examples.jsonl", [example(0), bad])
    with pytest.raises(InvalidInput, match="line 2"):
        read_examples(path)


def test_file_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no examples"):
        read_examples(write_examples(tmp_path / "examples.jsonl", []))
