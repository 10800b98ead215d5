"""The Hugging Face configuration that a GGUF's metadata describes."""

import numpy as np
from transformers import AutoConfig, PreTrainedConfig

from tuneloop.kit.errors import InvalidInput
from tuneloop_workers.bases.architectures import Architecture, Heads, model_types
from tuneloop_workers.bases.gguf_facts import architecture_of, context_length_of, heads_of, layers_of
from tuneloop_workers.bases.gguf_file import GgufFile

_DEFAULT_ROPE_BASE = 10_000.0
_GEMMA2_27B_LAYERS, _GEMMA3_27B_LAYERS = 46, 62


def config_from_gguf(base: GgufFile) -> PreTrainedConfig:
    """Raises InvalidInput for a GGUF with scaled rotary positions, whose parameters it doesn't hold in full."""
    architecture, heads = architecture_of(base), heads_of(base)
    if "rope_freqs.weight" in base.tensors or f"{architecture}.rope.scaling.type" in base.metadata:
        raise InvalidInput(
            f"{base.path.name} scales its rotary positions, which a GGUF describes only in part; "
            "register this base as a folder, with its Hugging Face weights beside the GGUF",
            path=str(base.path),
        )
    hidden = base.integer(f"{architecture}.embedding_length")
    head_key = f"{architecture}.attention.key_length"
    head_size = base.integer(head_key) if head_key in base.metadata else hidden // heads.query
    settings = {
        "vocab_size": base.tensors["token_embd.weight"].shape[0],
        "hidden_size": hidden,
        "intermediate_size": base.integer(f"{architecture}.feed_forward_length"),
        "num_hidden_layers": layers_of(base),
        "num_attention_heads": heads.query,
        "num_key_value_heads": heads.key_value,
        "head_dim": head_size,
        "max_position_embeddings": context_length_of(base),
        "rms_norm_eps": _shortest(base.real(f"{architecture}.attention.layer_norm_rms_epsilon")),
        "tie_word_embeddings": "output.weight" not in base.tensors,
        **_special_tokens(base),
        **_family_settings(base, architecture, hidden, heads, head_size),
    }
    config = AutoConfig.for_model(model_types(architecture)[0], **settings)
    config.dtype = "float32"
    return config


def _family_settings(
    base: GgufFile, architecture: Architecture, hidden: int, heads: Heads, head_size: int
) -> dict[str, object]:
    key = f"{architecture}.rope.freq_base"
    rope_base = _shortest(base.real(key)) if key in base.metadata else _DEFAULT_ROPE_BASE
    full = {"rope_type": "default", "rope_theta": rope_base}
    if architecture is Architecture.GEMMA3:
        local = {"rope_type": "default", "rope_theta": _DEFAULT_ROPE_BASE}
        is_27b = layers_of(base) == _GEMMA3_27B_LAYERS
        return {
            "sliding_window": base.integer("gemma3.attention.sliding_window"),
            "query_pre_attn_scalar": hidden // heads.query if is_27b else head_size,
            "rope_parameters": {"full_attention": full, "sliding_attention": local},
        }
    if architecture is Architecture.GEMMA2:
        is_27b = layers_of(base) == _GEMMA2_27B_LAYERS
        return {
            "sliding_window": base.integer("gemma2.attention.sliding_window"),
            "query_pre_attn_scalar": hidden // heads.query if is_27b else head_size,
            "attn_logit_softcapping": base.real("gemma2.attn_logit_softcapping"),
            "final_logit_softcapping": base.real("gemma2.final_logit_softcapping"),
            "rope_parameters": full,
        }
    if architecture is Architecture.PHI3:
        # llama.cpp reads the whole context where the family's first models look at a window of it.
        turned = base.metadata.get("phi3.rope.dimension_count", head_size)
        partial = {"partial_rotary_factor": int(str(turned)) / head_size}
        return {"sliding_window": None, "rope_parameters": full | partial, **partial}
    biased = {"attention_bias": "blk.0.attn_q.bias" in base.tensors}
    return {"rope_parameters": full, **({} if architecture is Architecture.QWEN2 else biased)}


def _special_tokens(base: GgufFile) -> dict[str, int]:
    keys = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
    names = {name: f"tokenizer.ggml.{short}_token_id" for name, short in keys.items()}
    return {name: base.integer(key) for name, key in names.items() if key in base.metadata}


def _shortest(value: float) -> float:
    """A single-precision number as people write it: 1e-06, not 9.999999974752427e-07."""
    return float(str(np.float32(value)))
