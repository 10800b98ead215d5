"""The numbers of a report as a table for spreadsheets."""

import csv
from collections.abc import Iterator
from io import StringIO

from tuneloop.datasets.csv_cells import escape
from tuneloop_reports.content import Average, Difference, ModelReport, ReportContent, ReportRate

COLUMNS = ("model", "measure", "name", "month", "value", "low", "high", "n")
Row = tuple[str, str, str, str, float | None, float | None, float | None, int | None]


def write_csv(content: ReportContent) -> str:
    """Shares between 0 and 1 with their 95 % interval and n. Cells that would run as a formula are made harmless."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for model in content.models:
        for row in _rows(model, content.month):
            writer.writerow([escape(cell) if isinstance(cell, str) else _number(cell) for cell in row])
    return out.getvalue()


def _rows(model: ModelReport, month: str) -> Iterator[Row]:
    name = model.slug
    for point in model.months:
        yield _figure(name, "accuracy", "", point.month, point.accuracy)
    if model.baseline:
        yield _figure(name, "accuracy at release", "", month, model.baseline)
    for category in model.categories:
        yield _figure(name, "category accuracy", category.name, month, category.now)
        if category.before:
            yield _figure(name, "category accuracy at release", category.name, month, category.before)
    yield _figure(name, "reported by users", "", month, model.reported)
    yield _figure(name, "mean confidence", "", month, model.confidence)
    if model.hallucination and model.task != "classify":
        yield _figure(name, "unsupported claims", "", month, model.hallucination)
    yield name, "answers served", "", month, float(model.answers), None, None, model.answers
    for retrain in model.retrains:
        versions = f"v{retrain.production} to v{retrain.candidate}"
        for row in retrain.rows:
            yield _figure(name, f"{versions}, before", row.title, month, row.production)
            yield _figure(name, f"{versions}, after", row.title, month, row.candidate)
            yield _difference(name, f"{versions}, difference", row.title, month, row.difference, row.n)
    for test in model.live_tests:
        for each in test.measures:
            measure = f"live test, {each.measure}"
            yield _figure(name, measure, f"v{test.production}", month, each.production)
            yield _figure(name, measure, f"v{test.candidate}", month, each.candidate)


def _figure(model: str, measure: str, name: str, month: str, rate: ReportRate | Average) -> Row:
    return model, measure, name, month, rate.value, rate.low, rate.high, rate.n


def _difference(model: str, measure: str, name: str, month: str, difference: Difference, n: int) -> Row:
    return model, measure, name, month, difference.value, difference.low, difference.high, n


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
