"""What goes into the child process and what comes out of it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Value = str | float | int | list[tuple[int, int, int, str]]
Kind = Literal["conflict", "suspected_error", "duplicate", "personal_data"]


class ScanRow(BaseModel):
    """One training example; `label` is empty for free text. `texts` is all that may hold personal data, by place."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    answer: str
    label: str
    texts: dict[int, str] = {}


class ScanBatch(BaseModel):
    """`labels_known`: answers come from a fixed set, so that labels can be compared. `fresh`: no scan has seen them."""

    rows: list[ScanRow]
    labels_known: bool
    fresh: list[str]


class QualityFinding(BaseModel):
    id: str
    kind: Kind
    summary: str
    detail: dict[str, Value]


class ScanReport(BaseModel):
    findings: list[QualityFinding]
