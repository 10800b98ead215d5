"""What the metadata of a base's GGUF says about the model. Nothing heavy is imported for it."""

import gguf

from tuneloop_workers.bases.architectures import Architecture, Heads, parse_architecture
from tuneloop_workers.bases.gguf_file import GgufFile


def architecture_of(base: GgufFile) -> Architecture:
    return parse_architecture(base.text("general.architecture"))


def layers_of(base: GgufFile) -> int:
    return base.integer(f"{architecture_of(base)}.block_count")


def context_length_of(base: GgufFile) -> int:
    """Longest sequence the model was made for, in tokens."""
    return base.integer(f"{architecture_of(base)}.context_length")


def heads_of(base: GgufFile) -> Heads:
    prefix = architecture_of(base)
    query = base.integer(f"{prefix}.attention.head_count")
    key = f"{prefix}.attention.head_count_kv"
    return Heads(query, base.integer(key) if key in base.metadata else query)


def quantisation_of(base: GgufFile) -> str:
    """Name of the file type as llama.cpp prints it, like Q4_K_M."""
    kind = gguf.LlamaFileType(base.integer("general.file_type"))
    return kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")
