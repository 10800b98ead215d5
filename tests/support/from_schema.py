"""Values that an OpenAPI document allows, and some that it does not."""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]
Strategy = st.SearchStrategy[Any]

NASTY = ("", " ", "\u0000", "\ud83d\ude00" * 3, "\u202e", "' or 1=1 --", "<script>", "../..", "%", "-1", "é" * 300)
TEXT = st.one_of(
    st.sampled_from(NASTY).map(lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16")),
    st.text(max_size=20),
)
FORMATS: Mapping[str, Strategy] = {
    "uuid": st.uuids().map(str),
    "date-time": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    "date": st.dates().map(str),
}
ANYTHING: Strategy = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30)
DEEPEST = 4


class Values:
    """`known` are values that name something, by the name of the field."""

    def __init__(self, document: Schema, known: Mapping[str, str]) -> None:
        self._schemas = document["components"]["schemas"]
        self._known = known

    def of(self, schema: Schema, *, name: str = "", depth: int = 0) -> Strategy:
        """Mostly what the schema allows."""
        if "$ref" in schema:
            return self.of(self._schemas[schema["$ref"].rpartition("/")[2]], name=name, depth=depth)
        usual = self._usual(schema, name, depth)
        if name in self._known:
            usual = st.just(self._known[name]) | usual
        return usual if depth == 0 else st.one_of(usual, usual, usual, usual, usual, ANYTHING)

    def _usual(self, schema: Schema, name: str, depth: int) -> Strategy:
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return st.one_of([self.of(each, name=name, depth=depth) for each in schema[key]])
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return st.one_of([self._usual({**schema, "type": kind}, name, depth) for kind in kinds])
        makers: dict[str | None, Callable[[], Strategy]] = {
            "null": st.none,
            "boolean": st.booleans,
            "integer": lambda: st.integers(-2, 400) | st.sampled_from(NUMBERS),
            "number": lambda: st.floats(-2, 2) | st.sampled_from(NUMBERS),
            "string": lambda: FORMATS.get(schema.get("format", ""), TEXT) | TEXT,
            "array": lambda: st.lists(self.of(schema.get("items", {}), depth=depth + 1), max_size=3),
            "object": lambda: self._object(schema, depth),
        }
        return makers.get(kinds, lambda: ANYTHING)()

    def _object(self, schema: Schema, depth: int) -> Strategy:
        fields = schema.get("properties", {})
        if not fields or depth > DEEPEST:
            return st.dictionaries(TEXT, ANYTHING, max_size=3)
        made = {name: self.of(field, name=name, depth=depth + 1) for name, field in fields.items()}
        needed = {name: made[name] for name in made if name in schema.get("required", ())}
        return st.fixed_dictionaries(needed, optional={name: made[name] for name in made if name not in needed})
