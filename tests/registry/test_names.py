"""Names for people; digests are the identity behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.names import ModelName, next_number, parse_name

SLUGS = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,62}\Z")


@given(SLUGS, SLUGS, st.one_of(st.none(), st.from_regex(r"\A[a-z0-9.]{1,64}\Z")))
def test_a_name_is_read_as_written(client: str, model: str, version: str | None) -> None:
    written = f"{client}/{model}" + (f"@{version}" if version else "")
    assert parse_name(written) == ModelName(client, model, version)


@pytest.mark.parametrize(
    "text",
    ["", "acme", "acme/", "/support", "acme/support/x", "acme/support@", "Acme/support", "acme/../x", "acme/support\n"],
)
def test_anything_else_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(InvalidInput, match="write client/model"):
        parse_name(text)


@pytest.mark.parametrize(
    ("existing", "from_base", "number"),
    [
        ([], False, "1.0"),
        ([], True, "1.0"),
        (["1.0"], False, "1.1"),
        (["1.0", "1.1"], True, "2.0"),
        (["1.9"], False, "1.10"),
        (["1.9", "1.10"], False, "1.11"),
        (["2.0", "1.10"], False, "2.1"),
        (["9.0", "10.0"], True, "11.0"),
    ],
)
def test_the_next_number_follows_the_highest(existing: list[str], from_base: bool, number: str) -> None:
    assert next_number(existing, from_base=from_base) == number
