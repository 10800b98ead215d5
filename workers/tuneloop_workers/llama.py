"""The only module that calls llama.cpp: typed wrappers around the C functions that llama-cpp-python exposes."""

import ctypes
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NewType

import llama_cpp.llama_cpp as c
import numpy as np
import numpy.typing as npt
from llama_cpp import __version__ as bindings_version

from tuneloop.kit.errors import CorruptArtifact, Unavailable
from tuneloop.registry.contract import Quantisation

Logits = npt.NDArray[np.float32]
AdapterHandle = NewType("AdapterHandle", object)

_ERROR_LEVEL = 4
_TYPE_F32 = 0
_FILE_TYPES = {
    Quantisation.F16: c.LLAMA_FTYPE_MOSTLY_F16,
    Quantisation.Q8_0: c.LLAMA_FTYPE_MOSTLY_Q8_0,
    Quantisation.Q5_K_M: c.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    Quantisation.Q4_K_M: c.LLAMA_FTYPE_MOSTLY_Q4_K_M,
}
_LIBRARY: ctypes.CDLL = c._lib  # noqa: SLF001
_recent_errors: deque[str] = deque(maxlen=8)


def _keep_errors(level: int, text: bytes, _user_data: object) -> None:
    if level == _ERROR_LEVEL:
        _recent_errors.append(text.decode("utf-8", "replace").strip())


# llama.cpp keeps the pointer, so the callback object must live as long as the module.
_LOG_CALLBACK = c.llama_log_callback(_keep_errors)
c.llama_log_set(_LOG_CALLBACK, ctypes.c_void_p(0))


# The build holds kernels for several kinds of processor; the best that runs on this one is loaded. They are asked of
# the library that is loaded already: a wheel holds copies of libggml where the build had links.
_LIBRARY.ggml_backend_load_all_from_path(str(Path(c.__file__).parent / "lib").encode())
_LIBRARY.ggml_commit.restype = ctypes.c_char_p


def identity() -> str:
    """What produced the numbers: library, bindings and the CPU features in use, which change rounding."""
    features = [part.split("=") for part in c.llama_print_system_info().decode().split("|") if "=" in part]
    enabled = [name.split(":")[-1].strip() for name, value in features if value.strip() == "1"]
    build = f"{c.llama_version().decode()} {_LIBRARY.ggml_commit().decode()}"
    return f"llama.cpp {build} via llama-cpp-python {bindings_version}, {' '.join(enabled)}"


def quantise(source: Path, out: Path, kind: Quantisation, *, threads: int, again: bool = False) -> bool:
    """Whether llama.cpp could write `out`; it takes F16 and F32 models only, unless quantised ones may be `again`."""
    parameters = c.llama_model_quantize_default_params()
    parameters.allow_requantize = again
    parameters.ftype = _FILE_TYPES[kind]
    parameters.nthread = threads
    status: int = c.llama_model_quantize(str(source).encode(), str(out).encode(), ctypes.byref(parameters))
    return status == 0


class Rows(NamedTuple):
    """Consecutive tokens of one sequence; `last_logits` asks for the distribution after the last of them."""

    sequence: int
    position: int
    tokens: Sequence[int]
    last_logits: bool


class Model:
    """A base GGUF. Weights are memory-mapped, so processes on one machine share them.

    With `vocabulary_only` it can tokenise and nothing else. Raises CorruptArtifact when llama.cpp refuses the file.
    """

    def __init__(self, path: Path, *, vocabulary_only: bool = False) -> None:
        c.llama_backend_init()
        parameters = c.llama_model_default_params()
        parameters.vocab_only = vocabulary_only
        _recent_errors.clear()
        self._handle = c.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._handle:
            raise CorruptArtifact(f"llama.cpp cannot load the base model {path.name}: {_reason()}", path=str(path))
        self._vocabulary: Any = c.llama_model_get_vocab(self._handle)
        self.vocabulary_size: int = c.llama_vocab_n_tokens(self._vocabulary)
        self.context_length: int = c.llama_model_n_ctx_train(self._handle)
        self.architecture = self._metadata("general.architecture")
        self.end_of_sequence: int = c.llama_vocab_eos(self._vocabulary)
        starts = c.llama_vocab_get_add_bos(self._vocabulary)
        self.start: tuple[int, ...] = (c.llama_vocab_bos(self._vocabulary),) if starts else ()

    def encode(self, text: str, special: bool) -> list[int]:
        """Token ids of `text` without BOS or EOS; control tokens are recognised only when `special`."""
        raw = text.encode()
        buffer = (c.llama_token * (len(raw) + 8))()
        count = c.llama_tokenize(self._vocabulary, raw, len(raw), buffer, len(buffer), False, special)
        if count < 0:
            raise RuntimeError(f"llama.cpp needs {-count} tokens for {len(raw)} bytes")
        return list(buffer[:count])

    def piece(self, token: int) -> bytes:
        """Bytes of one token; control tokens have none. A character may span several tokens."""
        buffer = ctypes.create_string_buffer(64)
        size = c.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, False)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = c.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, False)
        return buffer.raw[:size]

    def is_end(self, token: int) -> bool:
        return bool(c.llama_vocab_is_eog(self._vocabulary, token))

    def is_control(self, token: int) -> bool:
        return bool(c.llama_vocab_get_attr(self._vocabulary, token) & c.LLAMA_TOKEN_ATTR_CONTROL)

    def load_adapter(self, path: Path) -> AdapterHandle:
        """Raises CorruptArtifact when the file does not fit this base."""
        _recent_errors.clear()
        handle = c.llama_adapter_lora_init(self._handle, str(path).encode())
        if not handle:
            raise CorruptArtifact(f"llama.cpp refuses the adapter: {_reason()}", path=str(path))
        return AdapterHandle(handle)

    def free_adapter(self, adapter: AdapterHandle) -> None:
        c.llama_adapter_lora_free(adapter)

    def context(self, *, threads: int, cells: int, sequences: int, batch_tokens: int, exact: bool = False) -> "Context":
        return Context(
            self._handle,
            vocabulary_size=self.vocabulary_size,
            threads=threads,
            cells=cells,
            sequences=sequences,
            batch_tokens=batch_tokens,
            exact=exact,
        )

    def close(self) -> None:
        if self._handle:
            c.llama_model_free(self._handle)
            self._handle = None

    def _metadata(self, key: str) -> str:
        buffer = ctypes.create_string_buffer(256)
        size = c.llama_model_meta_val_str(self._handle, key.encode(), buffer, len(buffer))
        return buffer.value.decode() if size >= 0 else ""


class Context:
    """Key-value memory of `cells` tokens shared by all sequences, and the adapters applied to the next decode.

    With `exact`, attention is computed in F32 throughout, for comparison with other implementations.
    """

    def __init__(
        self,
        model: Any,
        *,
        vocabulary_size: int,
        threads: int,
        cells: int,
        sequences: int,
        batch_tokens: int,
        exact: bool,
    ) -> None:
        parameters = c.llama_context_default_params()
        parameters.n_ctx = cells
        parameters.n_batch = parameters.n_ubatch = batch_tokens
        parameters.n_seq_max = parameters.n_outputs_max = sequences
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.kv_unified = True
        # A rewound sequence needs the whole window again, also on sliding-window layers.
        parameters.swa_full = True
        parameters.no_perf = True
        if exact:
            parameters.type_k = parameters.type_v = _TYPE_F32
            parameters.flash_attn_type = c.LLAMA_FLASH_ATTN_TYPE_DISABLED
        _recent_errors.clear()
        self._handle = c.llama_init_from_model(model, parameters)
        if not self._handle:
            raise Unavailable(f"llama.cpp cannot allocate a context of {cells} tokens: {_reason()}", cells=cells)
        self._memory: Any = c.llama_get_memory(self._handle)
        self._batch = c.llama_batch_init(batch_tokens, 0, 1)
        self._vocabulary_size = vocabulary_size

    def apply(self, adapters: Iterable[tuple[AdapterHandle, float]]) -> None:
        """The adapters of every decode until the next call; an empty list is the plain base."""
        parts: list[tuple[Any, float]] = list(adapters)
        handles = (c.llama_adapter_lora_p_ctypes * len(parts))(*(handle for handle, _ in parts))
        scales = (ctypes.c_float * len(parts))(*(scale for _, scale in parts))
        c.llama_set_adapters_lora(self._handle, handles, len(parts), scales)

    def decode(self, rows: Sequence[Rows]) -> dict[int, Logits]:
        """One forward pass; the logits by sequence, as views that the next call overwrites.

        Raises Unavailable when llama.cpp fails; the memory must be cleared then.
        """
        batch, at = self._batch, 0
        outputs: dict[int, int] = {}
        for row in rows:
            for offset, token in enumerate(row.tokens):
                batch.token[at] = token
                batch.pos[at] = row.position + offset
                batch.n_seq_id[at] = 1
                batch.seq_id[at][0] = row.sequence
                batch.logits[at] = 0
                at += 1
            if row.last_logits:
                batch.logits[at - 1] = 1
                outputs[row.sequence] = at - 1
        batch.n_tokens = at
        _recent_errors.clear()
        if status := c.llama_decode(self._handle, batch):
            raise Unavailable(f"llama.cpp failed to decode (status {status}): {_reason()}", status=status)
        return {sequence: self._logits(index) for sequence, index in outputs.items()}

    def copy(self, source: int, target: int) -> None:
        """Gives `target` every token of `source` without computing or copying anything."""
        c.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def cut(self, sequence: int, length: int = 0) -> None:
        """Forgets the tokens of a sequence from position `length` on."""
        c.llama_memory_seq_rm(self._memory, sequence, length, -1)

    def clear(self) -> None:
        c.llama_memory_clear(self._memory, False)

    def close(self) -> None:
        if self._handle:
            c.llama_batch_free(self._batch)
            c.llama_free(self._handle)
            self._handle = None

    def _logits(self, index: int) -> Logits:
        return np.ctypeslib.as_array(c.llama_get_logits_ith(self._handle, index), shape=(self._vocabulary_size,))


def _reason() -> str:
    return "; ".join(_recent_errors) or "no reason given"
