"""An alert in words that an operator understands, and without the figures that stand beside it."""

from typing import Any

import pytest

from tuneloop.kit.ids import new_id
from tuneloop.monitoring.alert_words import by_chance, weighted, without_figures
from tuneloop.tables import Alert, AlertKind, AlertLevel

SHARE: dict[str, Any] = {"value": 0.4, "n": 24, "low": 0.22, "high": 0.61}
DOUBT = "It rests on the labels of one week; those of the next will confirm it or not."


def alert(kind: AlertKind, level: AlertLevel = AlertLevel.ALERT, **evidence: Any) -> Alert:
    summary = "Accuracy fell from 90 % to 40 %."
    return Alert(client_id=new_id(), model_id=new_id(), kind=kind, level=level, summary=summary, evidence=evidence)


@pytest.mark.parametrize(("rate", "years"), [(0.05, 20), (0.01, 100), (0.3, 3)])
def test_a_chance_of_a_false_alarm_is_told_in_years(rate: float, years: int) -> None:
    assert by_chance(rate) == f"If the model had not changed, such an alarm would come less than once in {years} years."


def test_a_weighted_share_beside_other_counts_is_explained() -> None:
    told = weighted(SHARE, wrong=13)
    assert told is not None
    assert told.startswith(
        "Plainly counted, 11 of 24 labelled answers were right; in the share each counts by how often"
    )
    assert weighted(SHARE, wrong=14) is None, "10 of 24 is 40 % as it stands"
    assert weighted({**SHARE, "value": None, "n": 0}, wrong=0) is None


def test_figures_that_stand_beside_it_are_left_out() -> None:
    known: dict[str, Any] = {"current": SHARE, "false_alarms_a_year": 0.05, "doubts": [DOUBT]}
    assert without_figures(alert(AlertKind.ACCURACY, **known)) == (
        "Accuracy on sampled traffic fell. If the model had not changed, such an alarm would come less than once in 20 "
        "years."
    )
    assert without_figures(alert(AlertKind.ACCURACY, AlertLevel.WARN, **known)).endswith(DOUBT)
    assert "40" not in without_figures(alert(AlertKind.REPORTS, current=SHARE))
    assert "%" not in without_figures(alert(AlertKind.CATEGORY, fallen=["refund"], false_alarms_a_year=0.05))


@pytest.mark.parametrize("kind", [AlertKind.ACCURACY, AlertKind.CANARY])
def test_without_evidence_the_summary_is_all_there_is(kind: AlertKind) -> None:
    assert without_figures(alert(kind)) == "Accuracy fell from 90 % to 40 %."
