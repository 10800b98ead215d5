"""What is sent as an adapter is looked at by a process that can do no harm, and refused in words that help."""

import json
import struct
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.adapters import CONFIG, packed, small_weights
from tuneloop.kit.errors import CorruptArtifact, InvalidInput
from tuneloop.kit.storage import Storage
from tuneloop.registry.adapters.check import check_upload
from tuneloop.registry.adapters.config import CONFIG_FILE
from tuneloop.registry.adapters.folder import WEIGHTS_FILE
from tuneloop.registry.adapters.upload import store_upload


def folder(path: Path, weights: bytes, **config: object) -> Path:
    (path / WEIGHTS_FILE).write_bytes(weights)
    (path / CONFIG_FILE).write_text(json.dumps(CONFIG | config))
    return path


def test_an_honest_folder_says_what_it_is(tmp_path: Path) -> None:
    facts = check_upload(folder(tmp_path, small_weights()))
    assert (facts.rank, facts.modules, facts.trained_on) == (2, ("q_proj",), "unsloth/tiny")


MANY = b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % n for n in range(70_000)) + b"}"


@pytest.mark.parametrize(
    ("weights", "config", "reason"),
    [
        (struct.pack("<Q", 2**63) + b"{}", {}, "isn't a safetensors file"),
        (packed(b"[" * 4_000_000), {}, "its header is not"),
        (packed(MANY), {}, "no factor of a LoRA"),
        (small_weights(), {"alpha_pattern": {"(((a?)+)+)+((((m|o|d|e|l|.)+)+)+)!": 2}}, "more memory or time"),
    ],
    ids=["a length of 2^63", "a million brackets", "very many tensors", "an expression that never ends"],
)
def test_a_malicious_folder_costs_little_and_is_refused(
    tmp_path: Path, weights: bytes, config: dict[str, object], reason: str
) -> None:
    with pytest.raises(CorruptArtifact, match=reason):
        check_upload(folder(tmp_path, weights, **config))


def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path) -> None:
    storage = Storage((tmp_path / "objects").as_uri(), cache=tmp_path)
    config = BytesIO(json.dumps(CONFIG).encode())
    with pytest.raises(InvalidInput, match="safe_serialization=True"):
        store_upload(storage, {CONFIG_FILE: config, "adapter_model.bin": BytesIO(b"\x80\x02")})
    with pytest.raises(InvalidInput, match="what it was converted from"):
        store_upload(storage, {"adapter.gguf": BytesIO(b"GGUF")})
    with pytest.raises(InvalidInput, match=f"{CONFIG_FILE} missing"):
        store_upload(storage, {WEIGHTS_FILE: BytesIO(small_weights())})
    stored = store_upload(
        storage, {CONFIG_FILE: config, WEIGHTS_FILE: BytesIO(small_weights()), "README.md": BytesIO(b"#")}
    )
    assert storage.read(stored.weights_sha256) == small_weights()
