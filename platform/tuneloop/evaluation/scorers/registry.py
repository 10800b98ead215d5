"""Scorers by name, for configuration and the command line."""

from collections.abc import Mapping
from enum import StrEnum

from tuneloop.evaluation.scorers.grounding import grounded
from tuneloop.evaluation.scorers.item import Scorer
from tuneloop.evaluation.scorers.labels import allowed_label, label
from tuneloop.evaluation.scorers.overlap import ChrF, RougeL
from tuneloop.evaluation.scorers.reply import ReplyScorer
from tuneloop.evaluation.scorers.structured import Numeric, json_fields
from tuneloop.evaluation.scorers.text import Pattern, contains, exact, normalised
from tuneloop.registry.contract import Task


class ScorerName(StrEnum):
    EXACT = "exact"
    NORMALISED = "normalised"
    CONTAINS = "contains"
    REGEX = "regex"
    JSON = "json"
    NUMERIC = "numeric"
    CHRF = "chrf"
    ROUGE = "rouge"
    LABEL = "label"
    ALLOWED_LABEL = "allowed_label"
    GROUNDED = "grounded"
    REPLY = "reply"


SCORERS: Mapping[ScorerName, Scorer] = {
    ScorerName.EXACT: exact,
    ScorerName.NORMALISED: normalised,
    ScorerName.CONTAINS: contains,
    ScorerName.REGEX: Pattern(),
    ScorerName.JSON: json_fields,
    ScorerName.NUMERIC: Numeric(),
    ScorerName.CHRF: ChrF(),
    ScorerName.ROUGE: RougeL(),
    ScorerName.LABEL: label,
    ScorerName.ALLOWED_LABEL: allowed_label,
    ScorerName.GROUNDED: grounded,
    ScorerName.REPLY: ReplyScorer(),
}

DEFAULT: Mapping[Task, ScorerName] = {Task.CLASSIFY: ScorerName.LABEL, Task.GENERATE: ScorerName.REPLY}
