"""Bases that are good to begin with: small ones for sorting and short replies, larger ones for longer replies.

All are of families whose export and training tests cover, and of their instruction-tuned form, with a chat template.
"""

from typing import NamedTuple

from tuneloop.registry.needs import Needs, bytes_of, needs


class Suggestion(NamedTuple):
    """`repository` on the Hugging Face hub holds the GGUF of this quantisation; `parameters` in all."""

    name: str
    repository: str
    quantisation: str
    parameters: int
    licence: str
    good_for: str

    @property
    def gguf_bytes(self) -> int:
        return bytes_of(self.parameters, self.quantisation)

    @property
    def needs(self) -> Needs:
        return needs(self.gguf_bytes, self.parameters)

    @property
    def command(self) -> str:
        return f"tuneloop base add hub:{self.repository} --name {self.name} --file {self.quantisation}"


_APACHE, _GEMMA = "Apache 2.0", "Gemma terms"
CATALOGUE = (
    Suggestion(
        "smollm2-360m", "bartowski/SmolLM2-360M-Instruct-GGUF", "Q8_0", 362_000_000, _APACHE, "sorting English, fastest"
    ),
    Suggestion(
        "qwen2.5-0.5b", "bartowski/Qwen2.5-0.5B-Instruct-GGUF", "Q8_0", 494_000_000, _APACHE, "sorting, 29 languages"
    ),
    Suggestion("qwen3-0.6b", "bartowski/Qwen_Qwen3-0.6B-GGUF", "Q8_0", 596_000_000, _APACHE, "sorting, 100 languages"),
    Suggestion(
        "gemma-3-1b", "bartowski/google_gemma-3-1b-it-GGUF", "Q8_0", 1_000_000_000, _GEMMA, "sorting and short replies"
    ),
    Suggestion(
        "qwen2.5-1.5b", "bartowski/Qwen2.5-1.5B-Instruct-GGUF", "Q5_K_M", 1_540_000_000, _APACHE, "short replies"
    ),
    Suggestion(
        "smollm2-1.7b", "bartowski/SmolLM2-1.7B-Instruct-GGUF", "Q5_K_M", 1_710_000_000, _APACHE, "English replies"
    ),
    Suggestion("qwen3-1.7b", "bartowski/Qwen_Qwen3-1.7B-GGUF", "Q5_K_M", 2_030_000_000, _APACHE, "short replies"),
    Suggestion("qwen3-4b", "bartowski/Qwen_Qwen3-4B-GGUF", "Q4_K_M", 4_020_000_000, _APACHE, "replies from facts"),
    Suggestion(
        "gemma-3-4b", "bartowski/google_gemma-3-4b-it-GGUF", "Q4_K_M", 3_880_000_000, _GEMMA, "replies, 140 languages"
    ),
    Suggestion(
        "mistral-7b", "bartowski/Mistral-7B-Instruct-v0.3-GGUF", "Q4_K_M", 7_250_000_000, _APACHE, "long replies"
    ),
)
