"""A GGUF header from outside is read within limits, or refused."""

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.tiny_models import build_tiny_pair
from tuneloop.kit.errors import CorruptArtifact
from tuneloop_workers.bases.gguf_file import GgufFile


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_pair(tmp_path_factory.mktemp("model"), "qwen3").gguf


def test_header_and_tensors_equal_those_of_the_gguf_library(model: Path) -> None:
    ours, theirs = GgufFile.open(model), GGUFReader(model)

    assert list(ours.tensors) == [tensor.name for tensor in theirs.tensors]
    assert all(np.array_equal(ours.values(tensor.name), tensor.data) for tensor in theirs.tensors)
    keys = [key for key in theirs.fields if not key.startswith("GGUF.")]
    assert list(ours.metadata) == keys
    assert all(np.array_equal(ours.metadata[key], theirs.fields[key].contents()) for key in keys)


@pytest.mark.failure_case(17)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + bytes(100), "magic"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "over the limit"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "over the limit"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62), "ends too early"),
        (b"GGUF" + struct.pack("<IQQQ3sIIQ", 3, 0, 1, 3, b"key", 9, 8, 2**40), "over the limit"),
        (b"GGUF" + struct.pack("<IQQQ3sI", 3, 0, 1, 3, b"key", 99), "unknown metadata type"),
    ],
)
def test_a_malformed_header_is_refused_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=reason):
        GgufFile.open(path)


@pytest.mark.failure_case(17)
@settings(max_examples=60)
@given(position=st.integers(0, 3000), value=st.integers(0, 255))
def test_a_flipped_header_byte_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_array("tokens", [f"token {index}" for index in range(200)])
    writer.add_array("scores", [0.5] * 50)
    writer.add_tensor("a.weight", np.zeros((2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    path.write_bytes(content)
    with suppress(CorruptArtifact):
        assert len(GgufFile.open(path).tensors) <= 1
