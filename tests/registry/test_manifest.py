"""A manifest's digest is a version's identity: equal for equal content, different when anything differs."""

from hashlib import sha256
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from tuneloop.registry.contract import Contract, Manifest, Task

PLAIN: dict[str, Any] = {
    "contract": {
        "task": "classify",
        "system_prompt": "Sort it.",
        "template": "plain",
        "facts": "",
        "labels": ["order", "refund"],
        "groups": {"order": "delivery"},
        "decoding": {"max_tokens": 64, "temperature": 0.0, "stop": []},
    },
    "base": {"architecture": "gemma3", "quantisation": "Q8_0", "gguf_sha256": "a" * 64, "weights_sha256": "b" * 64},
    "adapters": [{"sha256": "c" * 64, "scale": 1.0}],
    "engine": "llama.cpp b7000",
}
CHANGES: dict[str, Any] = {
    "contract.task": "generate",
    "contract.system_prompt": "Sort it!",
    "contract.template": "gemma",
    "contract.facts": "Open till six.",
    "contract.labels": ["refund", "order"],
    "contract.groups.order": "shipping",
    "contract.decoding.max_tokens": 65,
    "contract.decoding.temperature": 0.1,
    "contract.decoding.stop": ["\n"],
    "base.architecture": "llama",
    "base.quantisation": "Q4_K_M",
    "base.gguf_sha256": "d" * 64,
    "base.weights_sha256": "d" * 64,
    "adapters.0.sha256": "d" * 64,
    "adapters.0.scale": 0.5,
    "adapters": [],
    "engine": "llama.cpp b7001",
}


def _changed(path: str, value: Any) -> dict[str, Any]:
    copy: Any = orjson.loads(orjson.dumps(PLAIN))
    *parents, last = path.split(".")
    place = copy
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = value
    if path == "contract.task":
        copy["contract"] |= {"labels": [], "groups": {}}
    return dict(copy)


def _leaves(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return {leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}".lstrip("."))}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return _leaves(value[0], f"{path}.0")
    return {path}


def test_the_digest_is_that_of_the_sorted_json() -> None:
    manifest = Manifest.model_validate(PLAIN)
    assert manifest.digest == sha256(orjson.dumps(PLAIN, option=orjson.OPT_SORT_KEYS)).hexdigest()


def test_the_digest_survives_storage_and_the_order_of_keys() -> None:
    manifest = Manifest.model_validate(PLAIN)
    stored = orjson.loads(orjson.dumps(manifest.model_dump(mode="json")))
    assert Manifest.model_validate(dict(reversed(stored.items()))).digest == manifest.digest


@pytest.mark.parametrize("path", CHANGES)
def test_every_field_counts(path: str) -> None:
    changed = Manifest.model_validate(_changed(path, CHANGES[path]))
    assert changed.digest != Manifest.model_validate(PLAIN).digest


def test_no_field_was_forgotten() -> None:
    assert set(CHANGES) - {"adapters"} == _leaves(Manifest.model_validate(PLAIN).model_dump(mode="json"))


@pytest.mark.parametrize(
    "values",
    [
        {"task": Task.CLASSIFY, "labels": ("only",)},
        {"task": Task.CLASSIFY, "labels": ("a", "a")},
        {"task": Task.CLASSIFY, "labels": (" a", "b")},
        {"task": Task.CLASSIFY, "labels": ("", "b")},
        {"task": Task.GENERATE, "labels": ("a", "b")},
        {"task": Task.GENERATE, "template": "{{ evil }}"},
        {"task": Task.GENERATE, "unknown": 1},
    ],
)
def test_a_contract_that_makes_no_sense_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Contract(system_prompt="x", **values)


def test_equal_contracts_are_one_key() -> None:
    first, second = (Contract.model_validate(PLAIN["contract"]) for _ in range(2))
    assert {first: "known"}[second] == "known"
