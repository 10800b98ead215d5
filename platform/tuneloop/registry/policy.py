"""How a model is watched, retrained and judged: the thresholds that an agency may change per model."""

from pydantic import Field

from tuneloop.registry.contract import Frozen


class Policy(Frozen):
    """Tolerances are in points of accuracy (0.03 = 3 points) and are proven or refuted by tests, never read off."""

    overall_margin: float = Field(default=0.02, gt=0, le=0.5, description="largest overall loss to rule out")
    strong_margin: float = Field(
        default=0.03, gt=0, le=0.5, description="largest loss to rule out on strong categories"
    )
    category_margin: float = Field(default=0.10, gt=0, le=0.5, description="largest loss in one category")
    hallucination_margin: float = Field(default=0.03, gt=0, le=0.5)
    worthwhile_gain: float = Field(
        default=0.10, gt=0, le=1, description="least gain on target categories to release for"
    )
    significance: float = Field(default=0.05, gt=0, lt=0.5)
    false_alarm_rate: float = Field(default=0.05, gt=0, lt=0.5, description="chance of a false alarm in a year")
    review_budget: int = Field(default=100, ge=10, le=500, description="answers put into the review queue per week")
    double_label_share: float = Field(default=0.1, ge=0, le=1, description="share of answers labelled by two people")
    rolling_weeks: int = Field(default=8, ge=1, le=104, description="weeks a labelled answer measures before it trains")
    approval_hours: int = Field(default=72, ge=1, le=720)
    disagreement_queries: int = Field(
        default=1500, ge=20, le=10_000, description="production queries that both versions answer before promotion"
    )
    fewest_queries: int = Field(
        default=200, ge=20, le=10_000, description="with fewer such queries the golden set judges alone"
    )
    gate_share: float = Field(
        default=0.25, ge=0, le=0.9, description="share of answers that teach nothing before a gate has used them"
    )
    renewed_share: float = Field(
        default=0.5, ge=0, le=1, description="least share of a comparison's golden items that the last one did not use"
    )
    label_budget: int = Field(default=100, ge=10, le=2000, description="labels that a gate may ask for")
    keep_predictions_days: int | None = Field(
        default=None,
        ge=30,
        le=3650,
        description="days that answers nobody spoke about are kept; the installation's when left out",
    )
    approvals_needed: int | None = Field(
        default=None, ge=1, le=5, description="people who must approve; by plan when left out: Premium 2, others 1"
    )
    four_eyes: bool = Field(default=False, description="whoever proposed a cycle cannot approve it")
    service_keys_approve: bool = Field(default=False, description="keys that belong to nobody may approve")
