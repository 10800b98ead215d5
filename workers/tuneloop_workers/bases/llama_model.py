"""A GGUF opened in llama.cpp for checks: tokenise, and log-probabilities of the next token, with adapters applied."""

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from tuneloop.kit.errors import CorruptArtifact

_LOG_LEVEL_ERROR = 4
_TYPE_F32 = 0


class ScaledAdapter(NamedTuple):
    """A GGUF LoRA and the scale it is applied with."""

    path: Path
    scale: float = 1.0


class LlamaModel:
    """One model and at most one context, of one sequence; made by `open_llama`, which frees both."""

    def __init__(self, model: int) -> None:
        self._model = model
        self._vocabulary = llama_cpp.llama_model_get_vocab(model)
        self._context: int | None = None

    def tokenise(self, text: str, special: bool) -> list[int]:
        """Token ids without BOS and EOS; only with `special` do control tokens in the text count as such."""
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(self._vocabulary, data, len(data), room, len(room), False, special)
        return list(room[:count])

    def beginning(self) -> list[int]:
        """The BOS token where the model wants one."""
        wanted = llama_cpp.llama_vocab_get_add_bos(self._vocabulary)
        return [llama_cpp.llama_vocab_bos(self._vocabulary)] if wanted else []

    def is_control(self, token: int) -> bool:
        return bool(llama_cpp.llama_vocab_get_attr(self._vocabulary, token) & llama_cpp.LLAMA_TOKEN_ATTR_CONTROL)

    @property
    def vocabulary_size(self) -> int:
        return int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))

    def next_token_logprobs(self, prefix: Sequence[int], suffixes: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Log-probabilities after prefix + suffix, one row per suffix; the prefix is evaluated once."""
        if self._context is None:
            raise RuntimeError("call open_context first")
        memory = llama_cpp.llama_get_memory(self._context)
        llama_cpp.llama_memory_clear(memory, True)
        self._decode(prefix, 0)
        rows = []
        for suffix in suffixes:
            llama_cpp.llama_memory_seq_rm(memory, 0, len(prefix), -1)
            self._decode(suffix, len(prefix))
            logits = llama_cpp.llama_get_logits_ith(self._context, -1)
            rows.append(_log_softmax(np.ctypeslib.as_array(logits, shape=(self.vocabulary_size,)).copy()))
        return np.stack(rows)

    def attach(self, adapters: Sequence[ScaledAdapter]) -> None:
        """Applies these adapters, and no others, to what is evaluated from now on."""
        handles = (llama_cpp.llama_adapter_lora_p_ctypes * len(adapters))()
        scales = (ctypes.c_float * len(adapters))(*(adapter.scale for adapter in adapters))
        for index, adapter in enumerate(adapters):
            handle = llama_cpp.llama_adapter_lora_init(self._model, str(adapter.path).encode())
            if not handle:
                raise CorruptArtifact(
                    f"llama.cpp refused adapter {adapter.path.name}; export it again for this base",
                    path=str(adapter.path),
                )
            handles[index] = ctypes.cast(handle, llama_cpp.llama_adapter_lora_p_ctypes)
        if llama_cpp.llama_set_adapters_lora(self._context, handles, len(adapters), scales) != 0:
            raise CorruptArtifact("llama.cpp could not apply the adapters; export them again for this base")

    def open_context(self, tokens: int, *, threads: int = 1, exact: bool = False) -> None:
        """Allocates a context of `tokens` as serving does, or one that computes attention in F32 throughout."""
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = tokens
        params.n_threads = params.n_threads_batch = threads
        if exact:
            params.type_k = params.type_v = _TYPE_F32
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        if not self._context:
            raise MemoryError(f"llama.cpp could not allocate a context of {tokens} tokens")

    def close(self) -> None:
        if self._context:
            llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def _decode(self, tokens: Sequence[int], position: int) -> None:
        if not tokens:
            return
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        try:
            for index, token in enumerate(tokens):
                batch.token[index] = token
                batch.pos[index] = position + index
                batch.n_seq_id[index] = 1
                batch.seq_id[index][0] = 0
                batch.logits[index] = index == len(tokens) - 1
            batch.n_tokens = len(tokens)
            if code := llama_cpp.llama_decode(self._context, batch):
                raise RuntimeError(f"llama.cpp could not evaluate {len(tokens)} tokens at {position} (code {code})")
        finally:
            llama_cpp.llama_batch_free(batch)


@contextmanager
def open_llama(gguf: Path, *, vocabulary_only: bool = False) -> Iterator[LlamaModel]:
    """Loads a GGUF on the CPU; raises CorruptArtifact when llama.cpp can't."""
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = vocabulary_only
    params.n_gpu_layers = 0
    quieten_llama()
    handle = llama_cpp.llama_model_load_from_file(str(gguf).encode(), params)
    if not handle:
        raise CorruptArtifact(f"llama.cpp can't load {gguf.name}; copy it again from its source", path=str(gguf))
    model = LlamaModel(handle)
    try:
        yield model
    finally:
        model.close()


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _log_errors(level: int, text: bytes, _: ctypes.c_void_p) -> None:
    if level == _LOG_LEVEL_ERROR:
        sys.stderr.write(text.decode(errors="replace"))


def quieten_llama() -> None:
    """Keeps llama.cpp's progress lines off the terminal, for the whole process; errors stay."""
    llama_cpp.llama_log_set(_log_errors, ctypes.c_void_p(0))


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits - logits.max()
    total = np.log(np.exp(shifted).sum(dtype=np.float64))
    return np.asarray(shifted - total, dtype=np.float32)
