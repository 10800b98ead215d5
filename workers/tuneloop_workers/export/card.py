"""The model card of a release, in the form that the Hugging Face hub reads."""

from typing import Annotated

import orjson
from pydantic import Field, model_validator

from tuneloop.registry.contract import Frozen, Task

Line = Annotated[str, Field(max_length=200, pattern=r"^[^\r\n]*$")]


class CardMetric(Frozen):
    """A rate with the number of items behind it and its 95 % interval, all in 0..1 except `n`."""

    name: Line
    value: Annotated[float, Field(ge=0, le=1)]
    low: Annotated[float, Field(ge=0, le=1)]
    high: Annotated[float, Field(ge=0, le=1)]
    n: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def the_interval_holds_the_value(self) -> "CardMetric":
        if not self.low <= self.value <= self.high:
            raise ValueError("low ≤ value ≤ high must hold")
        return self


class ModelCard(Frozen):
    name: Line
    version: Line
    digest: Line
    licence: Line
    base_model: Line
    task: Task
    description: str = Field(max_length=5_000)
    measures: tuple[CardMetric, ...]
    training_examples: Annotated[int, Field(ge=1)] | None
    """None of an adapter that was trained elsewhere."""
    parent: Line | None = None
    limits: str = Field(default="", max_length=5_000)


def render_card(card: ModelCard) -> str:
    """Markdown with YAML front matter; every rate stands with its interval and n."""
    tag = "text-classification" if card.task is Task.CLASSIFY else "text-generation"
    front = {
        "license": card.licence,
        "base_model": card.base_model,
        "pipeline_tag": tag,
        "library_name": "peft",
        "tags": ["lora", "gguf"],
    }
    # JSON values are YAML values, and quoting them keeps any text from being read as structure.
    header = "\n".join(f"{key}: {orjson.dumps(value).decode()}" for key, value in front.items())
    rows = "\n".join(
        f"| {_cell(m.name)} | {m.value:.1%} | {m.low:.1%} to {m.high:.1%} | {m.n} |" for m in card.measures
    )
    parts = [
        f"---\n{header}\n---",
        f"# {card.name} {card.version}",
        card.description,
        f"A LoRA adapter for `{card.base_model}`, digest `{card.digest}`, {_trained(card)}.",
        f"## Evaluation of these files\n\n| measure | value | 95 % interval | n |\n|---|---|---|---|\n{rows}",
        *([f"## Limits\n\n{card.limits}"] if card.limits else []),
    ]
    return "\n\n".join(parts) + "\n"


def _trained(card: ModelCard) -> str:
    if card.training_examples is None:
        return "trained elsewhere"
    start = f", starting from {card.parent}" if card.parent else ""
    return f"trained on {card.training_examples} examples{start}"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")
