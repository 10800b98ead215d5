"""Everything that is checked about a batch of examples."""

from tuneloop_workers.quality.label_errors import find_suspected
from tuneloop_workers.quality.near_duplicates import find_alike
from tuneloop_workers.quality.pii import Detector, find_personal
from tuneloop_workers.quality.record import ScanBatch, ScanReport


def check(batch: ScanBatch) -> ScanReport:
    """Labels and near-duplicates depend on the other examples, so all are compared; personal data does not."""
    findings = find_alike(batch.rows, labels_known=batch.labels_known)
    if batch.labels_known:
        conflicting = {finding.id for finding in findings if finding.kind == "conflict"}
        findings += [each for each in find_suspected(batch.rows) if each.id not in conflicting]
    fresh = {*batch.fresh}
    return ScanReport(findings=[*findings, *find_personal([row for row in batch.rows if row.id in fresh], Detector())])
