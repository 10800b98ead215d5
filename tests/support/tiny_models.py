"""Tiny random models of every supported family: Hugging Face weights and a GGUF of the same weights and tokenizer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedTokenizerFast
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

from tuneloop_workers.bases.architectures import (
    Architecture,
    Heads,
    gguf_modules,
    model_types,
    parse_architecture,
    values_to_gguf,
)

ArchitectureName = Literal["gemma2", "gemma3", "llama", "mistral", "phi3", "qwen2", "qwen3"]

SLIDING_WINDOW = 32
CONTEXT = 1024
HEAD_SIZE = 16
CONTROL_TOKENS = (
    "<pad>",
    "<eos>",
    "<bos>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
_GEMMAS = (Architecture.GEMMA2, Architecture.GEMMA3)
_PRE_TOKENIZERS = {
    Architecture.GEMMA2: "gpt-2",
    Architecture.GEMMA3: "gpt-2",
    Architecture.PHI3: "gpt-2",
    Architecture.LLAMA: "llama-bpe",
    Architecture.QWEN2: "qwen2",
    Architecture.QWEN3: "qwen2",
}
_TEXT = (
    "Context: You sort messages to a shop by topic.\nMessage: my parcel has not come, where is it?\nAnswer: delivery",
    "Message: I would like my money back for order 10293, the jacket is too small.\nAnswer: refund",
    "Message: the app says my password is wrong but it isn't!! please help\nAnswer: account",
    "user\nDo you ship to Portugal? model\nYes, within 5 days. assistant system invoice payment card cancel",
)


class TinyPair(NamedTuple):
    """Folder of Hugging Face weights with tokenizer, and the GGUF (F32) of the same."""

    weights: Path
    gguf: Path


def build_tiny_pair(folder: Path, architecture: ArchitectureName, *, seed: int = 0) -> TinyPair:
    """Writes `folder/hf` and `folder/model.gguf`: hidden 64, 4 query and 2 key-value heads of 16, about 450 tokens.

    Weights are random with a spread that makes the output distribution far from flat, and all are exactly
    representable in F16. Gemma 3 has 6 layers (five with a sliding window of 32, one full; Gemma 2 every other one)
    and tied embeddings, the others 3 layers and a separate output layer.
    """
    family = parse_architecture(architecture)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(family)
    named = "mistral" if architecture == "mistral" else model_types(family)[0]
    config = _config(family, named, len(tokenizer))
    state = _random_model(config, folder / "hf", seed)
    tokenizer.save_pretrained(folder / "hf")
    path = folder / "model.gguf"
    _write_gguf(path, family, config, state, tokenizer)
    return TinyPair(folder / "hf", path)


def _tokenizer(family: Architecture) -> PreTrainedTokenizerFast:
    style = _PRE_TOKENIZERS[family]
    backend = Tokenizer(models.BPE(ignore_merges=family is Architecture.LLAMA))
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=style == "gpt-2")
    if style == "gpt-2":
        backend.pre_tokenizer = bytes_only
    else:
        words = pre_tokenizers.Split(Regex(GGUF_PRE_TOKENIZER_SPLITS[style]), behavior="isolated")
        backend.pre_tokenizer = pre_tokenizers.Sequence([words, bytes_only])
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_TEXT * 4, trainer)
    begin = ("<bos>", backend.token_to_id("<bos>"))
    backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[begin])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", model_max_length=CONTEXT
    )


def _config(family: Architecture, named: str, vocabulary: int) -> PreTrainedConfig:
    gemma = family in _GEMMAS
    sizes: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 6 if gemma else 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD_SIZE,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": gemma,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    if family is Architecture.GEMMA2:
        sizes |= {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0}
    if family is Architecture.PHI3 or named == "mistral":
        sizes |= {"sliding_window": None}
    if gemma:
        sizes |= {"query_pre_attn_scalar": HEAD_SIZE, "sliding_window": SLIDING_WINDOW}
    else:
        sizes |= {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}
    return AutoConfig.for_model(named, **sizes)


def _random_model(config: PreTrainedConfig, folder: Path, seed: int) -> Mapping[str, NDArray[np.float32]]:
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    generator = torch.Generator().manual_seed(seed)
    norm_mean = 0.0 if config.model_type.startswith("gemma") else 1.0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            mean = norm_mean if name.endswith("norm.weight") else 0.0
            spread = 0.1 if parameter.dim() == 1 else 0.3 if parameter.shape[0] == config.vocab_size else 0.15
            parameter.copy_((mean + spread * torch.randn(parameter.shape, generator=generator)).half())
    model.save_pretrained(folder)
    return {name: values.detach().numpy() for name, values in model.named_parameters()}


def _write_gguf(
    path: Path,
    family: Architecture,
    config: PreTrainedConfig,
    state: Mapping[str, NDArray[np.float32]],
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    writer = gguf.GGUFWriter(path, family.value)
    _add_shape(writer, family, config)
    _add_tokenizer(writer, family, tokenizer)
    heads = Heads(config.num_attention_heads, config.num_key_value_heads)
    modules = gguf_modules(family, config.num_hidden_layers)
    for name, values in state.items():
        module, suffix = name.rsplit(".", 1)
        writer.add_tensor(f"{modules[module]}.{suffix}", values_to_gguf(family, module, values, heads).copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, family: Architecture, config: PreTrainedConfig) -> None:
    writer.add_type("model")
    # llama.cpp wants tokens of Phi 3's own where the name says so.
    writer.add_name("tiny random model")
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(HEAD_SIZE)
    writer.add_value_length(HEAD_SIZE)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if family is Architecture.GEMMA2:
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if family in _GEMMAS:
        writer.add_sliding_window(config.sliding_window)
        rope = config.rope_parameters
        writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    else:
        writer.add_rope_dimension_count(HEAD_SIZE)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def _add_tokenizer(writer: gguf.GGUFWriter, family: Architecture, tokenizer: PreTrainedTokenizerFast) -> None:
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_PRE_TOKENIZERS[family])
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if token in CONTROL_TOKENS else gguf.TokenType.NORMAL for token in tokens]
    )
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
