"""What a report looks like and says: one PDF a content, tagged, with embedded fonts, text shown literally."""

import csv
import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO, StringIO
from string import Formatter

import pikepdf
import pypdfium2
import pytest

from tests.reports.sample import END, LIVE_TEST, RETRAIN, category, content, figure, model
from tuneloop.tables import AbState, AlertKind, AlertLevel, AlertState, Plan
from tuneloop_reports.charts import accuracy_chart
from tuneloop_reports.content import AlertEntry, Event, EventKind, Light, LightRule, ReportContent
from tuneloop_reports.csv_export import write_csv
from tuneloop_reports.document import Medium, ink_on, write_html
from tuneloop_reports.gather.traffic_light import COLOURS, rule_of
from tuneloop_reports.i18n import Translator, sentences
from tuneloop_reports.redact import redact, shorten
from tuneloop_reports.render.renderer import NotRendered, Renderer
from tuneloop_reports.sections import category_title, headline, rank
from tuneloop_reports.style import Font, Language, PageSize, Style

EVIL = (
    "<script>alert(1)</script>",
    '<img src="file:///etc/passwd">',
    "{{7*7}}",
    "{% include '/etc/passwd' %}",
    "<!channel> *bold*",
    "</style><style>body{display:none}</style>",
    "=HYPERLINK(1)",
)


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    made = Renderer()
    yield made
    made.close()


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        pages = []
        for number in range(len(document)):
            text = document[number].get_textpage()
            pages.append(text.get_text_bounded())
            text.close()
        return " ".join(" ".join(pages).split())
    finally:
        document.close()


def test_the_same_content_gives_the_same_bytes(renderer: Renderer) -> None:
    first, again = renderer.render(content()), Renderer()
    try:
        assert again.render(content()).pdf == first.pdf
    finally:
        again.close()
    assert renderer.render(content(note="Hello")).pdf != first.pdf


def test_a_renderer_that_was_begun_early_is_the_one_that_renders() -> None:
    early = Renderer()
    try:
        early.begin()
        process = early._process
        early.begin()
        assert early.render(content()).pages > 0
        assert early._process is process
    finally:
        early.close()


def test_the_pdf_is_tagged_and_carries_its_fonts(renderer: Renderer) -> None:
    made = renderer.render(content(style=Style(language=Language.GERMAN, font=Font.SERIF)))
    with pikepdf.open(BytesIO(made.pdf)) as pdf:
        root = pdf.Root
        assert str(root.Lang) == "de"
        assert bool(root.MarkInfo.Marked)
        assert "/StructTreeRoot" in root
        with pdf.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
            assert "Acme Outfitters" in metadata["dc:title"]
        fonts = {str(font.BaseFont): font for page in pdf.pages for font in page.Resources.Font.values()}
        assert {name.split("+")[1].split("-")[0] for name in fonts} >= {"Inter", "Newsreader"}
        for font in fonts.values():
            described = font.DescendantFonts[0].FontDescriptor
            assert {"/FontFile2", "/FontFile3"} & set(described.keys())
        tags = _tags(root.StructTreeRoot)
        assert {"/H1", "/H2", "/Table", "/TH", "/TD", "/Figure", "/L"} <= tags
    assert "92\u00a0% der Antworten" in text_of(made.pdf).replace("92 %", "92\u00a0%")


def _tags(node: pikepdf.Object) -> set[str]:
    found = {str(node.S)} if "/S" in node else set()
    kids = node.get("/K", pikepdf.Array())
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary):
            found |= _tags(kid)
    return found


@pytest.mark.parametrize("size", PageSize)
def test_long_names_and_forty_categories_stay_on_the_page(renderer: Renderer, size: PageSize) -> None:
    endless = "Rechtsschutzversicherungsgesellschaftsvertreter" * 3
    many = tuple(category(f"{endless[: 8 + 3 * place]} {place}", (place, 41), (30, 40)) for place in range(1, 41))
    made = renderer.render(
        content(
            model(categories=many, slug="support-" + "x" * 55, fixed=()),
            client=endless,
            note=endless * 10,
            style=Style(page_size=size, brand=endless[:110], footer=endless * 2),
        )
    )
    width, height = {PageSize.A4: (595.3, 841.9), PageSize.LETTER: (612, 792)}[size]
    document = pypdfium2.PdfDocument(made.pdf)
    try:
        for number in range(len(document)):
            page = document[number]
            assert page.get_size() == pytest.approx((width, height), abs=0.5)
            boxes = [each.get_bounds() for each in page.get_objects(max_depth=1)]
            assert len(boxes) > 5
            assert max(box[2] for box in boxes) <= width - 40, f"page {number + 1}"
            assert min(box[0] for box in boxes) >= 40
    finally:
        document.close()
    assert all(f" {place} " in text_of(made.pdf) for place in range(1, 41))


@pytest.mark.failure_case(22)
def test_text_of_people_and_models_is_shown_literally(renderer: Renderer) -> None:
    evil = " ".join(EVIL)
    alert = AlertEntry(
        opened_at=content().start,
        kind=AlertKind.ACCURACY,
        level=AlertLevel.ALERT,
        state=AlertState.OPEN,
        summary=evil,
        resolved_at=None,
        resolution=None,
    )
    example = model().fixed[0].model_copy(update={"question": evil, "before": evil, "after": evil})
    full = content(
        model(alerts=(alert,), fixed=(example,), categories=(category(evil, (9, 10), None),)),
        client=evil[:100],
        note=evil,
        style=Style(footer=evil[:200], brand=evil[:90]),
    )
    for medium in Medium:
        html = write_html(full, medium=medium, address="/r/x", expires_at=full.end)
        assert "<script>" not in html
        assert 'src="file' not in html
        assert html.count("<style>") == 1
        assert "{{7*7}}" in html
        assert ">49<" not in html
    shown = text_of(renderer.render(full).pdf)
    for each in EVIL[:5]:
        assert each.replace(" ", "") in shown.replace(" ", ""), each


@pytest.mark.failure_case(22)
def test_a_renderer_reaches_nothing(renderer: Renderer) -> None:
    """Its logo comes as bytes; what is not a picture ends that report and no other."""
    renderer.render(content())
    assert not renderer.has_network
    assert renderer.render(content(), logo=b"no picture").pages > 0
    with pytest.raises(NotRendered, match="could not be rendered: ValueError"):
        renderer.render(content(time_zone="../../../etc/passwd"))
    assert renderer.render(content()).pages > 0


@pytest.mark.parametrize("language", Language)
def test_every_sentence_exists_in_every_language(language: Language) -> None:
    def slots(sentence: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(sentence) if name}

    english, other = sentences(Language.ENGLISH), sentences(language)
    assert other.keys() == english.keys()
    assert {key: slots(text) for key, text in other.items()} == {key: slots(text) for key, text in english.items()}


@pytest.mark.failure_case(23)
def test_the_headline_claims_only_what_is_shown() -> None:
    say = Translator(Language.ENGLISH, "UTC")
    assert headline(say, content()) == (
        "92% of your model's answers were right (88\N{EN DASH}95%, 240 checked answers), up from 83% in December 2025."
    )
    few = model(accuracy=figure(37, 40), change=model().change.model_copy(update={"low": -0.04}))  # type: ignore[union-attr]
    assert "the difference is within what chance does" in headline(say, content(few))
    assert headline(say, content(model(accuracy=figure(0, 0)))).startswith("No answers were checked")
    assert headline(say, content(model(), model(slug="triage"))) == "2 models served you this month."


def test_numbers_and_dates_follow_the_language() -> None:
    english, german = Translator(Language.ENGLISH, "UTC"), Translator(Language.GERMAN, "Europe/Berlin")
    rate = figure(1641, 18240)
    assert (english.number(18240), german.number(18240)) == ("18,240", "18.240")
    assert (english.percent(0.0123, 1), german.percent(0.0123, 1)) == ("1.2%", "1,2\u00a0%")
    assert "n\u00a0=\u00a018.240" in german.rate(rate)
    midnight = content().start
    assert (english.day(midnight), german.day(midnight)) == ("1 January 2026", "1. Januar 2026")
    assert (english.last_day(content().end), german.month("2026-03")) == ("31 January 2026", "März 2026")


@pytest.mark.failure_case(23)
def test_every_rate_has_its_n_and_range() -> None:
    """Wherever a percentage is printed as a figure, its range and n are in the same place."""
    html = write_html(content(plan=Plan.PREMIUM), medium=Medium.BROWSER, address="/r/x", expires_at=content().end)
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    for cell in re.findall(r'<td class="r">(.*?)</td>', body, flags=re.S):
        if "%" in re.sub(r'style="[^"]*"', "", cell):
            assert "\N{EN DASH}" in cell, cell


@pytest.mark.parametrize(
    ("labels", "level", "state", "rollbacks", "rule", "light"),
    [
        (0, None, None, 0, LightRule.FEW_LABELS, Light.GREY),
        (29, None, None, 0, LightRule.FEW_LABELS, Light.GREY),
        (240, None, None, 0, LightRule.ON_TRACK, Light.GREEN),
        (240, None, None, 1, LightRule.ROLLED_BACK, Light.AMBER),
        (240, AlertLevel.WARN, AlertState.OPEN, 0, LightRule.OPEN_WARNING, Light.AMBER),
        (0, AlertLevel.ALERT, AlertState.OPEN, 0, LightRule.OPEN_ALERT, Light.RED),
        (240, AlertLevel.ALERT, AlertState.RESOLVED, 0, LightRule.ON_TRACK, Light.GREEN),
    ],
)
def test_the_light_follows_the_stated_rule(
    labels: int,
    level: AlertLevel | None,
    state: AlertState | None,
    rollbacks: int,
    rule: LightRule,
    light: Light,
) -> None:
    alerts = [model().alerts[0].model_copy(update={"level": level, "state": state})] if level else []
    right = round(0.92 * labels)
    found = rule_of(accuracy=figure(right, labels), baseline=figure(366, 400), alerts=alerts, rollbacks=rollbacks)
    assert (found, COLOURS[found]) == (rule, light)


def test_accuracy_clearly_below_release_is_amber() -> None:
    near, below = figure(210, 240), figure(180, 240)
    rules = [rule_of(accuracy=each, baseline=figure(366, 400), alerts=[], rollbacks=0) for each in (near, below)]
    assert rules == [LightRule.ON_TRACK, LightRule.BELOW_BASELINE]


def test_best_and_worst_never_name_the_same_category() -> None:
    few = rank(tuple(category(name, (right, 20), (18, 20)) for name, right in (("a", 19), ("b", 12), ("c", 15))))
    assert [each.name for each in few.best] == ["a", "c"]
    assert [each.name for each in few.worst] == ["b"]
    none_right = rank((category("a", (0, 12), (9, 12)),))
    assert (none_right.best, [each.name for each in none_right.worst]) == ([], ["a"])
    assert rank((category("a", (2, 3), (18, 20)),)).unranked == 1


def test_categories_are_named_as_people_write_them() -> None:
    assert [category_title(name) for name in ("order_status", "Refund", "on-site visit")] == [
        "Order status",
        "Refund",
        "On-site visit",
    ]


def test_nothing_is_said_about_statements_of_a_model_that_sorts() -> None:
    sorts, writes = model(task="classify"), model(task="generate")
    for one, told in ((sorts, False), (writes, True)):
        document = write_html(content(one), medium=Medium.BROWSER, address="/r/x", expires_at=END)
        assert ("unsupported claims" in document.lower()) is told
        assert ("unsupported claims" in write_csv(content(one))) is told


@pytest.mark.failure_case(22)
def test_a_spreadsheet_runs_nothing_of_the_table() -> None:
    table = write_csv(content(model(categories=(category("=HYPERLINK(1)", (9, 10), None),))))
    assert "'=HYPERLINK(1)" in table
    assert ",=HYPERLINK" not in table
    header, *rows = table.splitlines()
    assert header == "model,measure,name,month,value,low,high,n"
    accuracy = next(row for row in rows if row.startswith("support,accuracy,,2026-01"))
    assert accuracy.split(",")[4:] == ["0.920833", accuracy.split(",")[5], accuracy.split(",")[6], "240"]
    assert sum("v1.2 to v1.3, before" in row for row in rows) == len(RETRAIN.rows)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Write to ann.o@x-y.example now", "Write to [e-mail] now"),
        ("call +49 (0)40 123 456-78 please", "call [number] please"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [account]"),
        ("card 4111 1111 1111 1111!", "card [card]!"),
        ("order AB-1029384 is late", "order [reference] is late"),
        ("see https://x.example/a?token=1", "see [link]"),
        ("My name is Ann Miller and", "My name is [name] and"),
        ("costs 1299.00 euro in 2026", "costs 1299.00 euro in 2026"),
    ],
)
def test_personal_data_is_taken_out_of_examples(said: str, shown: str) -> None:
    assert redact(said) == shown


def test_long_text_is_cut_between_words() -> None:
    assert shorten("one two  three\nfour", 13) == "one two \N{HORIZONTAL ELLIPSIS}"


def test_the_ink_can_be_read_on_the_accent() -> None:
    assert (ink_on("#2457c5"), ink_on("#ffe066")) == ("#ffffff", "#000000")


def test_a_content_is_named_by_what_it_says() -> None:
    first = content()
    assert ReportContent.model_validate(first.stored()).digest == first.digest
    assert first.model_copy(update={"note": "x"}).digest != first.digest


def test_a_model_that_is_being_prepared_has_a_page_without_figures(renderer: Renderer) -> None:
    nothing = figure(0, 0)
    prepared = model(
        version=None, answers=0, accuracy=nothing, months=(), retrains=(), live_tests=(), categories=(), alerts=()
    )
    made = renderer.render(content(prepared, end=END - timedelta(days=5, hours=3)))
    said = text_of(made.pdf)
    assert made.pages == 1
    assert "Your model is being prepared" in said
    assert "closed on 26 January 2026" in said
    assert "%" not in said


def test_a_test_on_live_traffic_is_told_with_its_figures_and_its_end(renderer: Renderer) -> None:
    said = text_of(renderer.render(content()).pdf)
    assert "Tested version v1.3 on 20% of your users, beside v1.2." in said
    assert "version v1.3 for 20% of the users, v1.2 for the others" in said
    assert "95% (83\N{EN DASH}99%, n = 40)" in said
    assert "The difference of +12 (\N{MINUS SIGN}14 to +33) points is within what chance does." in said
    assert "Version v1.3 then went into service for everybody." in said
    early = LIVE_TEST.model_copy(update={"state": AbState.RUNNING, "measures": (), "difference": None})
    said = text_of(renderer.render(content(model(live_tests=(early,)), style=Style(language=Language.GERMAN))).pdf)
    assert "Es sind noch keine Antworten beider Versionen geprüft. Der Versuch lief am Monatsende noch." in said
    told = [row for row in csv.DictReader(StringIO(write_csv(content()))) if row["measure"] == "live test, reports"]
    assert [(row["name"], row["value"], row["n"]) for row in told] == [
        ("v1.2", "0.0142663", "1472"),
        ("v1.3", "0.00815217", "368"),
    ]


def test_nothing_is_said_of_a_month_before_the_first(renderer: Renderer) -> None:
    nothing = figure(0, 0)
    first = model(
        task="generate",
        hallucination_before=None,
        reported_before=nothing,
        answers_before=0,
        before=nothing,
        change=None,
    )
    said = text_of(renderer.render(content(first)).pdf)
    assert "Answers with unsupported claims (evaluation set) not measured 1.7% (0.8" in said
    assert "on the evaluation set" in said


def test_versions_of_one_day_share_a_mark() -> None:
    say = Translator(Language.ENGLISH, "UTC")
    busy = model(
        events=[
            Event(at=END - timedelta(days=9, hours=n), kind=EventKind.DEPLOYED, version=f"{9 - n}") for n in (3, 2, 1)
        ]
    )
    drawn = b64decode(accuracy_chart(say, busy, Style()).partition(",")[2]).decode()
    assert re.findall(r">v(\d)<", drawn) == ["8"]
