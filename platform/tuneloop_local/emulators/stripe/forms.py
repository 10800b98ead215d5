"""Form-encoded requests: `items[0][price]=x` becomes a tree, which is read by Stripe's schema of the operation."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from tuneloop_local.emulators.stripe.errors import ApiError

Schema = Mapping[str, Any]
_PART = re.compile(r"\[([^\]]*)\]")


def tree(encoded: str) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        head, _, rest = key.partition("[")
        parts = [head, *_PART.findall(f"[{rest}" if rest else "")]
        node = root
        for part in parts[:-1]:
            node = node.setdefault(part or str(len(node)), {})
            if not isinstance(node, dict):
                raise ApiError(f"Invalid parameter: {key}", param=key)
        node[parts[-1] or str(len(node))] = value
    return root


def read(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with their types.

    Raises:
        ApiError: a parameter is unknown, missing, or of another type, in Stripe's words.
    """
    return _object(schema, values, "")


def read_query(schemas: Mapping[str, Schema], values: Mapping[str, Any]) -> dict[str, Any]:
    return _object({"properties": schemas, "additionalProperties": False}, values, "")


def _object(schema: Schema, values: Mapping[str, Any], path: str) -> dict[str, Any]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    extra = schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in values:
            where = _join(path, name)
            raise ApiError(f"Missing required param: {where}.", code="parameter_missing", param=where)
    read_values = {}
    for name, value in values.items():
        where = _join(path, name)
        if name in properties:
            read_values[name] = _value(properties[name], value, where)
        elif isinstance(extra, Mapping):
            read_values[name] = _value(extra, value, where)
        else:
            raise ApiError(f"Received unknown parameter: {where}", code="parameter_unknown", param=where)
    return read_values


def _value(schema: Schema, value: Any, where: str) -> Any:
    if "anyOf" in schema:
        return _any_of(schema["anyOf"], value, where)
    kind = schema.get("type")
    if kind == "object":
        if not isinstance(value, dict):
            raise ApiError("Invalid object", param=where)
        return _object(schema, value, where)
    if kind == "array":
        if isinstance(value, dict) and all(name.isdigit() for name in value):
            ordered: Iterable[tuple[str, Any]] = sorted(value.items(), key=lambda pair: int(pair[0]))
            return [_value(schema["items"], each, f"{where}[{place}]") for place, each in ordered]
        raise ApiError("Invalid array", param=where)
    if isinstance(value, dict):
        raise ApiError(f"Invalid {kind}: {where}", param=where)
    return _scalar(schema, str(value), where)


def _scalar(schema: Schema, text: str, where: str) -> Any:
    kind = schema.get("type")
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
        if kind == "boolean":
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError) as error:
        raise ApiError(f"Invalid {kind}: {text}", code=f"parameter_invalid_{kind}", param=where) from error
    choices = [each for each in schema.get("enum", ()) if each]
    if choices and text not in choices:
        listed = ", ".join(map(str, choices))
        raise ApiError(f"Invalid {where}: must be one of {listed}", param=where)
    if len(text) > schema.get("maxLength", 5000):
        raise ApiError(f"Invalid string: {where} is longer than {schema.get('maxLength', 5000)}", param=where)
    return text


def _any_of(choices: Iterable[Schema], value: Any, where: str) -> Any:
    problem: ApiError | None = None
    for choice in choices:
        try:
            return _value(choice, value, where)
        except ApiError as error:
            # The choice that takes most of the value explains best what is wrong with it.
            if problem is None or len(error.fields.get("param") or "") > len(problem.fields.get("param") or ""):
                problem = error
    raise problem or ApiError(f"Invalid {where}", param=where)


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name
