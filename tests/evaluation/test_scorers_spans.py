import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.evaluation.scorers.claims import Kind, extract
from tuneloop.evaluation.scorers.names import is_among, names, words_of


def _read(text: str, kind: Kind) -> list[set[str]]:
    """Readings of each span of a kind, every alternative as "fact+fact"."""
    return [{"+".join(sorted(reading)) for reading in span.readings} for span in extract(text) if span.kind is kind]


@pytest.mark.parametrize(
    ("text", "kind", "readings"),
    [
        ("until 2026-07-03", Kind.DATE, [{"day:3+month:7+year:2026"}]),
        ("by 3 July", Kind.DATE, [{"day:3+month:7"}]),
        ("on July 3rd, 2026", Kind.DATE, [{"day:3+month:7+year:2026"}]),
        ("from 3 to 19 July", Kind.DATE, [{"day:3+month:7"}, {"day:19+month:7"}]),
        ("July 3-19", Kind.DATE, [{"day:3+month:7"}, {"day:19+month:7"}]),
        ("on 03/07/2026", Kind.DATE, [{"day:3+month:7+year:2026", "day:7+month:3+year:2026"}]),
        ("on 25.12.26", Kind.DATE, [{"day:25+month:12+year:2026"}]),
        ("in May you may come", Kind.DATE, [{"month:5"}]),
        ("all of November", Kind.DATE, [{"month:11"}]),
        ("Mon-Wed", Kind.WEEKDAY, [{"weekday:0"}, {"weekday:1"}, {"weekday:2"}]),
        ("Saturday to Monday", Kind.WEEKDAY, [{"weekday:5"}, {"weekday:6"}, {"weekday:0"}]),
        ("at weekends", Kind.WEEKDAY, [{"weekday:5"}, {"weekday:6"}]),
        ("on Thursdays, Fri too; the sun sat", Kind.WEEKDAY, [{"weekday:3"}, {"weekday:4"}]),
        ("at 9.30 pm", Kind.TIME, [{"minute:1290"}]),
        ("at 18:05", Kind.TIME, [{"minute:1085"}]),
        ("at 9:00", Kind.TIME, [{"minute:540", "minute:1260"}]),
        ("12 a.m. and noon", Kind.TIME, [{"minute:0"}, {"minute:720"}]),
        ("9 to 6 pm", Kind.TIME, [{"minute:540", "minute:1260"}, {"minute:1080"}]),
        ("$1,299.00 or 12,50 €", Kind.PRICE, [{"amount:1299+currency:USD"}, {"amount:12.5+currency:EUR"}]),
        ("20 euros, USD 5", Kind.PRICE, [{"amount:5+currency:USD"}, {"amount:20+currency:EUR"}]),
        ("10% or 5 per cent", Kind.PERCENT, [{"amount:10"}, {"amount:5"}]),
        ("call 555-0142", Kind.PHONE, [{"digits:5550142"}]),
        ("call +49 (30) 555 0142.", Kind.PHONE, [{"digits:49305550142"}]),
        ("code SAVE20", Kind.CODE, [{"code:save20"}]),
        ("write to Help@acme.example.", Kind.EMAIL, [{"link:help@acme.example"}]),
        ("see https://www.acme.example/shop/.", Kind.URL, [{"link:acme.example/shop"}]),
        ("see acme.example", Kind.URL, [{"link:acme.example"}]),
        ("3 to 5 working days", Kind.NUMBER, [{"amount:3+unit:day"}, {"amount:5+unit:day"}]),
        ("a 3-year warranty on 2 tents", Kind.NUMBER, [{"amount:3+unit:year"}, {"amount:2"}]),
        ("fourteen days, and one more thing", Kind.NUMBER, [{"amount:14+unit:day"}]),
        ("1. Open the page\n2. Pay", Kind.NUMBER, []),
    ],
)
def test_spans_are_read(text: str, kind: Kind, readings: list[set[str]]) -> None:
    assert _read(text, kind) == readings


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Our manager is Priya Nolan.", ["Priya Nolan"]),
        ("Shipping is free. Delivery too!", []),
        ("Priya Nolan helps, I'm sure.", ["Nolan"]),
        ("Parcels go with Swiftly's vans", ["Swiftly's"]),
        ("It is NOT the DHL van", ["DHL"]),
        ("Yes: Please ask the Émile Café", ["Émile Café"]),
    ],
)
def test_names_are_capitalised_words_inside_a_sentence(text: str, found: list[str]) -> None:
    assert names(text) == found


@pytest.mark.parametrize(
    ("name", "text", "known"),
    [
        ("Trail Points", "collect trail points", True),
        ("Swiftly's", "sent by Swiftly", True),
        ("Johannson", "ask for Johansson", True),
        ("Parcelwrens", "with Parcelwren", True),
        ("Marta", "Maria helps", False),
        ("Anna Berg", "Anna helps", False),
    ],
)
def test_a_name_is_known_when_each_of_its_words_is(name: str, text: str, known: bool) -> None:
    assert is_among(name, words_of(text)) == known


@given(st.text(alphabet=st.sampled_from("0123456789 .,:-/$%()+@aAmMpPtoJuly\n"), max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    for span in extract(text):
        assert span.text
        assert span.readings
        assert all(span.readings)


@pytest.mark.parametrize("unit", ["1,", "a.", "1 ", "A ", "1-", "+1 ", "a@", "1 to ", "mon-", "$"])
def test_long_repetitive_answers_are_read_in_linear_steps(unit: str) -> None:
    assert all(len(span.text) <= 20_000 for span in extract(unit * (20_000 // len(unit))))
