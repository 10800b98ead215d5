"""The files of a LoRA folder, as people send them, into the object store."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pydantic import BaseModel

from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.storage import Storage
from tuneloop.registry.adapters.check import check_upload
from tuneloop.registry.adapters.config import CONFIG_FILE
from tuneloop.registry.adapters.folder import WEIGHTS_FILE, AdapterFacts

UPLOAD_BYTES = 1 << 30
ADAPTER_FILES = (CONFIG_FILE, WEIGHTS_FILE)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class AdapterUpload(BaseModel):
    """The two files as they were sent, and what they say about themselves."""

    config_sha256: str
    weights_sha256: str
    facts: AdapterFacts


def store_upload(storage: Storage, files: Mapping[str, IO[bytes]]) -> AdapterUpload:
    """Check what was sent and keep the two files that make an adapter. Others, by name, are left out.

    Raises:
        CorruptArtifact: they can't be taken over, and what to do. InvalidInput: one of the two is missing.
    """
    _require_both(files)
    with tempfile.TemporaryDirectory(prefix="tuneloop-upload-") as scratch:
        folder = Path(scratch)
        for name in ADAPTER_FILES:
            with (folder / name).open("wb") as out:
                shutil.copyfileobj(files[name], out)
        facts = check_upload(folder)
        return AdapterUpload(
            config_sha256=storage.put_file(folder / CONFIG_FILE),
            weights_sha256=storage.put_file(folder / WEIGHTS_FILE),
            facts=facts,
        )


def _require_both(files: Mapping[str, IO[bytes]]) -> None:
    missing = [name for name in ADAPTER_FILES if name not in files]
    if not missing:
        return
    if WEIGHTS_FILE in missing and any(name.endswith(_PICKLES) for name in files):
        raise InvalidInput(
            "pickled weights (.bin, .pt) can run code and are never read; load the adapter with PEFT and save it again "
            "with save_pretrained(folder, safe_serialization=True)"
        )
    if any(name.endswith(".gguf") for name in files):
        raise InvalidInput(
            f"a GGUF file can't be taken over; send what it was converted from: {' and '.join(ADAPTER_FILES)}"
        )
    raise InvalidInput(f"{' and '.join(missing)} missing; send both files of the adapter's folder", missing=missing)
