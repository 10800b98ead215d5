"""The tokenizer of a base in Hugging Face form, and proof that llama.cpp reads text the same way."""

from contextlib import closing
from pathlib import Path

import numpy as np
from gguf import TokenType
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from tuneloop.kit.errors import CorruptArtifact
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.llama import Model

# llama.cpp looks a whole word up in the vocabulary before it applies merges for these.
_WHOLE_WORDS_FIRST = frozenset({"llama3", "llama-v3", "llama-bpe"})

SAMPLE_TEXTS = (
    "Where is my parcel?? It's been 3 weeks, I paid $49.90 on 2024-11-02.",
    "Message: the app won't let me log in :( pls help asap!!!\nAnswer:",
    " leading space, trailing space ",
    "tabs\tand\n\nblank   lines\r\n\r\n    indented",
    "Größe, naïve, Ærø, 東京に送ってください, Привет, مرحبا, 👍🏽 👩‍👩‍👧",
    "<start_of_turn>user\n<|im_start|><|eot_id|><eos> <table>a</table>",
    'ORDER#A-10293/77 https://shop.example/refund?id=4&x=%20 {"price": 12.5}',
    "i've'LL don't we'd 1234567890 ½ … — “quoted”",
    "",
)


def tokenizer_from_gguf(base: GgufFile) -> PreTrainedTokenizerFast:
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(
        str(base.path.parent), gguf_file=base.path.name
    )
    if base.metadata.get("tokenizer.ggml.pre") in _WHOLE_WORDS_FIRST:
        tokenizer.backend_tokenizer.model.ignore_merges = True
    tokenizer.add_special_tokens(
        {"additional_special_tokens": _plain_tokens_that_serve_as_control(base)}, replace_extra_special_tokens=False
    )
    return tokenizer


def encode(tokenizer: PreTrainedTokenizerBase, text: str, special: bool) -> list[int]:
    """Token ids without BOS and EOS; only with `special` do control tokens in the text count as such."""
    return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special))


def beginning(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The BOS token where the model wants one."""
    return list(tokenizer.encode("", add_special_tokens=True))


def check_agreement(tokenizer: PreTrainedTokenizerBase, gguf: Path) -> int:
    """Number of sample texts on which both sides gave the same token ids; raises CorruptArtifact at a difference."""
    with closing(Model(gguf, vocabulary_only=True)) as model:
        if beginning(tokenizer) != list(model.start):
            raise CorruptArtifact(
                "the tokenizer of the weights and of the GGUF begin a text differently (BOS); "
                "use weights and GGUF of the same model revision",
                weights=beginning(tokenizer),
                gguf=list(model.start),
            )
        for text in SAMPLE_TEXTS:
            for special in (False, True):
                ours, theirs = encode(tokenizer, text, special), model.encode(text, special)
                if ours != theirs:
                    raise CorruptArtifact(
                        f"weights and GGUF tokenise {text!r} differently; use both of the same model revision",
                        weights=ours,
                        gguf=theirs,
                    )
    return len(SAMPLE_TEXTS)


def _plain_tokens_that_serve_as_control(base: GgufFile) -> list[AddedToken]:
    """Tokens that llama.cpp takes for control tokens by their text, like </s>, whatever the file says."""
    types = np.asarray(base.metadata["tokenizer.ggml.token_type"])
    plain = [int(token) for token in np.flatnonzero(types == TokenType.USER_DEFINED)]
    tokens = np.asarray(base.metadata["tokenizer.ggml.tokens"])
    with closing(Model(base.path, vocabulary_only=True)) as model:
        controls = [token for token in plain if model.is_control(token)]
    return [AddedToken(str(tokens[token]), special=True, normalized=False) for token in controls]
