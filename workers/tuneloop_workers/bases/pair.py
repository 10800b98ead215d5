"""A base as a pair, with the facts that its registration records."""

from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig

from tuneloop.kit.errors import CorruptArtifact
from tuneloop.registry.contract import BaseChat
from tuneloop_workers.bases.architectures import model_types
from tuneloop_workers.bases.chat import chat_of
from tuneloop_workers.bases.gguf_facts import architecture_of, context_length_of, heads_of, layers_of, quantisation_of
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.bases.tokenizers import check_agreement


@dataclass(frozen=True)
class BakedBase:
    """A base as a pair: the GGUF that serves and the weights that train."""

    gguf: Path
    weights: Path
    architecture: str
    quantisation: str
    context_length: int
    licence: str
    """`general.license` of the GGUF; "unknown" where it has none."""
    tokenizer_samples: int
    """Texts that both tokenizers were seen to read alike."""
    chat: BaseChat | None
    """Its own chat template."""


def describe_pair(gguf: Path, weights: Path) -> BakedBase:
    """Raises CorruptArtifact when the two are not the same model with the same tokenizer."""
    base = GgufFile.open(gguf)
    _check_same_shape(base, AutoConfig.from_pretrained(weights, trust_remote_code=False))
    tokenizer = AutoTokenizer.from_pretrained(weights, trust_remote_code=False)
    licence = base.metadata.get("general.license")
    return BakedBase(
        gguf=gguf,
        weights=weights,
        architecture=architecture_of(base).value,
        quantisation=quantisation_of(base),
        context_length=context_length_of(base),
        licence=licence if isinstance(licence, str) else "unknown",
        tokenizer_samples=check_agreement(tokenizer, gguf),
        chat=chat_of(base, tokenizer),
    )


def _check_same_shape(base: GgufFile, config: PreTrainedConfig) -> None:
    heads, types = heads_of(base), model_types(architecture_of(base))
    serving = {
        "model_type": config.model_type if config.model_type in types else types[0],
        "num_hidden_layers": layers_of(base),
        "num_attention_heads": heads.query,
        "num_key_value_heads": heads.key_value,
        "vocab_size": base.tensors["token_embd.weight"].shape[0],
        "hidden_size": base.tensors["token_embd.weight"].shape[1],
    }
    training = {name: getattr(config, name, None) for name in serving}
    if training != serving:
        raise CorruptArtifact("weights and GGUF are different models", weights=training, gguf=serving)
