"""What could be done about a candidate that was turned down, the most promising first.

No step promises what was not measured: each says from which figures its expectation follows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from tuneloop.evaluation.service import rate_of
from tuneloop.kit import figures
from tuneloop.kit.figures import RateRead
from tuneloop.retraining.diagnosis.findings import CategoryData, ConfusedPair, Loss, NextStep, StepKind, TrainingData
from tuneloop.retraining.next_recipe import ALL_LAYERS_TIMES, all_layers_recipe, changed_recipe
from tuneloop.retraining.recipe import Method, Recipe, blend_in_words
from tuneloop.stats.intervals import Rate
from tuneloop.tables import AttemptEnd, Candidate

FEWEST_TO_LABEL = 10
MOST_LABEL_STEPS = 2
MANY_DOUBTS = 0.1
"""Share of a category's examples from which on looking at the doubtful ones comes before another training."""


@dataclass(frozen=True)
class Case:
    """All that the steps follow from.

    `lost`: something that production knew got worse; `short`: the gain that it was for is too small. `right` are the
    candidate's golden answers by category, `options` what was trained and has not been to the gate, `blended` that the
    candidate came of such an option. `seconds` are by step, as last measured in the cycle. Of this model's retrains
    that were `compared` so far, `promoted` were promoted.
    """

    ended: AttemptEnd
    recipe: Recipe
    lost: bool
    short: bool
    losses: tuple[Loss, ...]
    pairs: tuple[ConfusedPair, ...]
    data: TrainingData | None
    right: Mapping[str, Rate]
    chosen: Candidate | None
    options: tuple[Candidate, ...]
    blended: bool
    seconds: Mapping[str, float]
    seeds: frozenset[int]
    promoted: int
    compared: int
    most_labels: int
    labels_needed: int | None
    by_traffic: bool
    production: RateRead | None


def next_steps(case: Case) -> tuple[NextStep, ...]:
    blend, retrain, clean = _blend(case), _retrain(case), _clean(case)
    labels = _labels(case)
    golden = _golden(case)
    first = golden if not case.lost else None
    early = clean if clean is not None and _many_doubts(case) else None
    trainings = [_all_layers(case), retrain]
    again = [early, *trainings, blend] if case.blended else [blend, early, *trainings]
    ranked = [first, *again, *labels, clean, golden, _keep(case)]
    return tuple({step.key: step for step in ranked if step is not None}.values())


def _blend(case: Case) -> NextStep | None:
    found = _better_blend(case)
    if found is None:
        return None
    fresh = found.method == Method.FROM_BASE
    what = "the adapter that was trained afresh" if fresh else blend_in_words(found.blend)
    alone = case.recipe.model_copy(update={"methods": (Method(found.method),), "blends": (found.blend,)})
    sentences = [f"{_dev(found, name)} {words}" for name, words in _STRATA if found.dev.get(name)]
    return NextStep(
        key="blend",
        kind=StepKind.BLEND,
        title=f"Try {what}",
        minutes=_minutes(case, "release", "evaluate", "disagree"),
        expected=f"On the dev examples {' and '.join(sentences)}.",
        because="Measured on the dev examples, which chose among the candidates and which the gate does not use. The "
        "approved plan releases it as it is; proposed by somebody, it is trained once more, to the same weights.",
        helps=not case.blended
        and (case.ended is AttemptEnd.REJECTED or (case.ended is AttemptEnd.UNDECIDED and case.by_traffic)),
        recipe=alone.model_dump(mode="json"),
        candidate_id=found.id,
    )


_STRATA = (("strong", "of the strong categories"), ("target", "of the new and fallen ones"))


def _better_blend(case: Case) -> Candidate | None:
    """After a loss a smaller share of the new adapter that still gains; after too small a gain a larger one.

    Only dev scores choose: the gate's items would look better on the one that suits them.
    """
    chosen = case.chosen
    if chosen is None or case.lost == case.short:
        return None
    gaining = [each for each in case.options if _gain(each, "target") is None or (_gain(each, "target") or 0.0) > 0]
    if case.short:
        larger = [each for each in gaining if _score(each, "target") > _score(chosen, "target")]
        return max(larger, key=lambda each: _score(each, "target"), default=None)
    smaller = [each for each in gaining if each.method == Method.CONTINUE and each.blend < _share(chosen)]
    keeping = [each for each in smaller if (_gain(each, "strong") or 0.0) >= 0]
    if keeping:
        return max(keeping, key=lambda each: (_score(each, "target"), each.blend))
    return max(smaller, key=lambda each: _gain(each, "strong") or 0.0, default=None)


def _retrain(case: Case) -> NextStep:
    changed = changed_recipe(case.recipe, lost=case.lost, short=case.short, seeds=case.seeds)
    tells = case.compared > 0 and case.ended is not AttemptEnd.FAILED
    so_far = figures.rate(rate_of(Rate(case.promoted, case.compared)))
    known = f"Of this model's retrains that were compared so far, {so_far} were promoted."
    return NextStep(
        key="retrain",
        kind=StepKind.RETRAIN,
        title=f"Train again: {', '.join(changed.words)}",
        minutes=_minutes(case, "train", "release", "evaluate", "disagree"),
        expected=known if tells else "What it brings is known once it is tried.",
        because="Counted over the cycles of this model." if tells else "Nothing measured tells it before.",
        helps=case.ended is AttemptEnd.REJECTED and (case.lost or case.short),
        recipe=changed.recipe.model_dump(mode="json"),
        changes=changed.words,
    )


def _all_layers(case: Case) -> NextStep | None:
    """Where what is new was not learned although nothing was lost. It may take longer than an approval covers."""
    changed = all_layers_recipe(case.recipe) if case.short and not case.lost else None
    if changed is None:
        return None
    return NextStep(
        key="all_layers",
        kind=StepKind.ALL_LAYERS,
        title=f"Train again: {', '.join(changed.words)}",
        minutes=_minutes(case, "train", "release", "evaluate", "disagree", train_times=ALL_LAYERS_TIMES),
        expected="There is more room to learn what is new, and to lose what was kept.",
        because=f"Nothing measured tells how much. Training takes about {ALL_LAYERS_TIMES:g} times as long.",
        helps=case.ended is AttemptEnd.REJECTED and "train" in case.seconds,
        recipe=changed.recipe.model_dump(mode="json"),
        changes=changed.words,
    )


def _labels(case: Case) -> list[NextStep]:
    if case.data is None:
        return []
    rows = {row.category: row for row in case.data.categories}
    middle = median([row.examples for row in rows.values()]) if rows else 0
    found = []
    for category in dict.fromkeys(pair.category for pair in case.pairs):
        row = rows.get(category)
        if row is None:
            continue
        wrong = tuple(pair.wrong for pair in case.pairs if pair.category == category and pair.wrong)
        wanted = min(case.most_labels, max(FEWEST_TO_LABEL, round(middle) - row.examples))
        between = f" and what is taken for it ({', '.join(wrong)})" if wrong else ""
        expected, because = _of_more_examples(case, row, wanted)
        found.append(
            NextStep(
                key=f"label:{category}",
                kind=StepKind.LABEL,
                title=f"Label {wanted} more messages of {category}{between}",
                labels=wanted,
                expected=expected,
                because=because,
                category=category,
                wrong=wrong,
            )
        )
    return found[:MOST_LABEL_STEPS]


def _of_more_examples(case: Case, row: CategoryData, wanted: int) -> tuple[str, str]:
    """How the candidate does in categories that have as many examples as this one would have."""
    assert case.data is not None
    own = case.right.get(row.category, Rate(0, 0))
    rich = [
        case.right[each.category]
        for each in case.data.categories
        if each.examples >= row.examples + wanted and each.category in case.right
    ]
    pooled = Rate(sum(rate.correct for rate in rich), sum(rate.n for rate in rich))
    if pooled.n and own.n and pooled.value > own.value:
        so = f"{_many(len(rich), 'category has', 'categories have')} at least {row.examples + wanted} examples"
        now_so = f"{row.category} has {row.examples} examples and {figures.rate(rate_of(own))} right"
        because = "The candidate's golden answers, by how many training examples a category has."
        return f"{now_so}; {so}, and {figures.rate(rate_of(pooled))}.", because
    missed = sum(pair.after for pair in case.pairs if pair.category == row.category)
    border = f"{missed} of {own.n} golden items of {row.category} are on the wrong side of it"
    because = "Counted on the golden items; how much of it more examples mend is not known before."
    return f"The next training sees more of this border: {border}.", because


def _clean(case: Case) -> NextStep | None:
    doubtful = _doubtful(case)
    if not doubtful:
        return None
    n = sum(row.conflicts + row.suspected for row in doubtful)
    names = ", ".join(row.category for row in doubtful)
    more = "; ".join(
        f"{row.category} has {row.examples} and could have up to {row.examples + row.conflicts + row.suspected}"
        for row in doubtful
    )
    return NextStep(
        key="clean",
        kind=StepKind.CLEAN,
        title=f"Look at {_many(n, 'doubtful example', 'doubtful examples')} of {names}",
        labels=n,
        expected=f"They do not train before somebody has looked at them: {more}.",
        because="Counted among the open findings of the data checks.",
    )


def _doubtful(case: Case) -> list[CategoryData]:
    named = {name for pair in case.pairs for name in (pair.category, pair.wrong)}
    rows = case.data.categories if case.data else ()
    return [row for row in rows if row.category in named and row.conflicts + row.suspected]


def _many_doubts(case: Case) -> bool:
    return any(row.conflicts + row.suspected >= MANY_DOUBTS * max(row.examples, 1) for row in _doubtful(case))


def _golden(case: Case) -> NextStep | None:
    if case.ended is not AttemptEnd.UNDECIDED or not case.labels_needed:
        return None
    what = "production queries that both versions answer" if case.by_traffic else "golden examples"
    return NextStep(
        key="golden",
        kind=StepKind.GOLDEN,
        title=f"Collect about {case.labels_needed} more {what}",
        labels=case.labels_needed,
        expected="So many would decide it, if the true difference is the one that was measured.",
        because="Estimated by the gate from the differences it saw, for a power of 80 %.",
    )


def _keep(case: Case) -> NextStep:
    right = f" It was right on {figures.rate(case.production)}." if case.production else ""
    because = "Measured on the golden items of this comparison." if case.production else "Production was not touched."
    title = "Keep production as it is"
    return NextStep(
        key="keep", kind=StepKind.KEEP, title=title, minutes=0.0, expected=f"Nothing changes.{right}", because=because
    )


def _minutes(case: Case, *steps: str, train_times: float = 1.0) -> float | None:
    times = {"train": train_times}
    known = [case.seconds[step] * times.get(step, 1.0) for step in steps if step in case.seconds]
    return round(sum(known) / 60, 1) if known else None


def _share(candidate: Candidate) -> float:
    """A fresh adapter is all new."""
    return candidate.blend if candidate.method == Method.CONTINUE else float("inf")


def _score(candidate: Candidate, stratum: str) -> float:
    found = candidate.dev.get(stratum)
    return float(found["score"]) if found else 0.0


def _gain(candidate: Candidate, stratum: str) -> float | None:
    """Beside production on the same dev examples; None where there are none."""
    found = candidate.dev.get(stratum)
    if not found or not found.get("production"):
        return None
    return float(found["score"]) - float(found["production"]["score"])


def _dev(candidate: Candidate, stratum: str) -> str:
    found = candidate.dev[stratum]
    before = f" (production {found['production']['correct']})" if found.get("production") else ""
    low, high = Rate(found["correct"], found["n"]).interval
    return f"{found['correct']} of {found['n']}{before}, so {100 * low:.0f} to {100 * high:.0f} %,"


def _many(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
