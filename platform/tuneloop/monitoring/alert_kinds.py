"""How alerts of each kind are treated. A new kind gets its row here."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuneloop.tables import AlertKind


@dataclass(frozen=True)
class AlertRules:
    """With `mended_by_training` an alert brings the retrain forward and offers one.

    `chart` is the entry of `Monitor.charts` that begins anew when a person closes the alert; None where nothing is
    kept between readings.
    """

    mended_by_training: bool
    chart: str | None


ALERT_KINDS: Mapping[AlertKind, AlertRules] = {
    AlertKind.ACCURACY: AlertRules(mended_by_training=True, chart="labels"),
    AlertKind.CATEGORY: AlertRules(mended_by_training=True, chart="categories"),
    AlertKind.CANARY: AlertRules(mended_by_training=False, chart=None),
    AlertKind.TRAFFIC: AlertRules(mended_by_training=True, chart="traffic"),
    AlertKind.REPORTS: AlertRules(mended_by_training=False, chart="reports"),
    AlertKind.END_OF_LIFE: AlertRules(mended_by_training=True, chart=None),
    AlertKind.SERVICE: AlertRules(mended_by_training=False, chart=None),
}
"""A retrain can't mend a changed pipeline, and user reports alone prove nothing."""
