"""The chat template that a base brings along, described once when it is registered."""

from transformers import PreTrainedTokenizerBase

from tuneloop.registry.chat_template import end_of_turn, written_by
from tuneloop.registry.contract import BaseChat
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.bases.tokenizers import beginning


def chat_of(base: GgufFile, tokenizer: PreTrainedTokenizerBase) -> BaseChat | None:
    """None where the base has none, or one that does not say where an answer ends."""
    template = base.metadata.get("tokenizer.chat_template") or tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not isinstance(template, str):
        return None
    return chat_from(template, tokenizer)


def chat_from(template: str, tokenizer: PreTrainedTokenizerBase) -> BaseChat | None:
    names = {"bos": str(tokenizer.bos_token or ""), "eos": str(tokenizer.eos_token or "")}
    bare = BaseChat(template=template, controls=(), begins=bool(beginning(tokenizer)), end="", **names)
    written = written_by(bare)
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.content.strip()}
    chat = bare.model_copy(update={"controls": tuple(sorted(text for text in added if text in written))})
    end = end_of_turn(chat)
    return chat.model_copy(update={"end": end}) if end else None
