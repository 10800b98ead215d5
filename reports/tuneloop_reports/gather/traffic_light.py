"""The traffic light of a model: a stated rule on computed numbers, the first line that applies."""

from collections.abc import Sequence

from tuneloop.tables import AlertKind, AlertLevel, AlertState
from tuneloop_reports.content import AlertEntry, Light, LightRule, ReportRate
from tuneloop_reports.gather.accuracy import difference

FEWEST_LABELS = 30
TOLERANCE = 0.02

ABOUT_A_SERVICE = frozenset({AlertKind.END_OF_LIFE, AlertKind.SERVICE})
"""What is ours to mend in time; it says nothing about how good the answers are."""

COLOURS = {
    LightRule.OPEN_ALERT: Light.RED,
    LightRule.FEW_LABELS: Light.GREY,
    LightRule.OPEN_WARNING: Light.AMBER,
    LightRule.BELOW_BASELINE: Light.AMBER,
    LightRule.ROLLED_BACK: Light.AMBER,
    LightRule.ON_TRACK: Light.GREEN,
}


def rule_of(
    *, accuracy: ReportRate, baseline: ReportRate | None, alerts: Sequence[AlertEntry], rollbacks: int
) -> LightRule:
    """`alerts` as they stood at the end of the month."""
    unsettled = [alert for alert in alerts if alert.state is AlertState.OPEN and alert.kind not in ABOUT_A_SERVICE]
    if any(alert.level is AlertLevel.ALERT for alert in unsettled):
        return LightRule.OPEN_ALERT
    if accuracy.n < FEWEST_LABELS:
        return LightRule.FEW_LABELS
    if unsettled:
        return LightRule.OPEN_WARNING
    fallen = difference(baseline, accuracy) if baseline is not None else None
    if fallen is not None and fallen.high < -TOLERANCE:
        return LightRule.BELOW_BASELINE
    return LightRule.ROLLED_BACK if rollbacks else LightRule.ON_TRACK
