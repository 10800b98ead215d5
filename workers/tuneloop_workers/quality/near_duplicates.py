"""Texts that are nearly the same: with the same answer a duplicate, with another a conflict."""

from collections.abc import Sequence
from typing import Any

from tuneloop.datasets.minhash import candidates, sketch
from tuneloop.datasets.similarity import NEAR_DUPLICATE, canonical, overlap, shingles
from tuneloop_workers.quality.record import QualityFinding, ScanRow

SHOWN = 80


def find_alike(rows: Sequence[ScanRow], *, labels_known: bool) -> list[QualityFinding]:
    """One finding for each example of a near-duplicate pair: of duplicates only the later one is suspicious."""
    cut = [shingles(row.text) for row in rows]
    sketches = [sketch(each) for each in cut]
    found: dict[tuple[str, str], QualityFinding] = {}
    for left, right in sorted(candidates(sketches, sketches)):
        if left >= right or (shared := overlap(cut[left], cut[right])) < NEAR_DUPLICATE:
            continue
        first, second = rows[left], rows[right]
        if _agree(first, second, labels_known=labels_known):
            _keep(found, second, _duplicate(second, first, shared))
        elif labels_known:
            _keep(found, first, _conflict(first, second, shared))
            _keep(found, second, _conflict(second, first, shared))
    return list(found.values())


def _agree(first: ScanRow, second: ScanRow, *, labels_known: bool) -> bool:
    if labels_known:
        return first.answer == second.answer
    return canonical(first.answer) == canonical(second.answer)


def _keep(found: dict[tuple[str, str], QualityFinding], row: ScanRow, finding: QualityFinding) -> None:
    known = found.get((row.id, finding.kind))
    if known is None or _shared(finding) > _shared(known):
        found[row.id, finding.kind] = finding


def _duplicate(row: ScanRow, other: ScanRow, shared: float) -> QualityFinding:
    summary = f"Nearly the same as {_quoted(other)}, with the same answer; it counts twice in training."
    return QualityFinding(id=row.id, kind="duplicate", summary=summary, detail=_detail(other, shared))


def _conflict(row: ScanRow, other: ScanRow, shared: float) -> QualityFinding:
    summary = f"Answered {row.answer!r}, but the nearly same {_quoted(other)} is answered {other.answer!r}."
    return QualityFinding(
        id=row.id, kind="conflict", summary=summary, detail=_detail(other, shared) | {"other": other.answer}
    )


def _shared(finding: QualityFinding) -> float:
    shared = finding.detail["overlap"]
    assert isinstance(shared, float)
    return shared


def _detail(other: ScanRow, shared: float) -> dict[str, Any]:
    return {"example": other.id, "overlap": round(shared, 3)}


def _quoted(row: ScanRow) -> str:
    return repr(row.text if len(row.text) <= SHOWN else f"{row.text[:SHOWN]}…")
