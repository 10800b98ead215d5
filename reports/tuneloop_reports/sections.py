"""What a report says about one model, in words. Every number comes from its content."""

from typing import NamedTuple

from tuneloop.tables import AlertKind, CycleState
from tuneloop_reports.content import (
    AlertEntry,
    Category,
    CategoryKind,
    LightRule,
    LiveTest,
    ModelReport,
    ReportContent,
    ReportRate,
    Retrain,
)
from tuneloop_reports.gather.traffic_light import FEWEST_LABELS, TOLERANCE
from tuneloop_reports.i18n import Translator

RANKED_FROM = 5
"""Fewest checked answers with which a category is ranked."""

RANKED = 3


class Tile(NamedTuple):
    title: str
    value: str
    detail: str
    before: str


class Ranking(NamedTuple):
    best: list[Category]
    worst: list[Category]
    new: list[Category]
    unranked: int


def headline(say: Translator, content: ReportContent) -> str:
    """One sentence; 'up' and 'down' only when chance is ruled out."""
    if not content.models:
        return say("headline.no_model")
    if len(content.models) > 1:
        return say("headline.many", count=len(content.models))
    return model_headline(say, content.models[0])


def model_headline(say: Translator, model: ModelReport) -> str:
    now = model.accuracy
    if not model.in_service:
        return say("headline.preparing")
    if now.value is None:
        return say("headline.none")
    values = {"value": say.share(now), "range": say.range(now), "n": now.n}
    if model.change is None or model.before_month is None:
        return say("headline.first", **values)
    known = values | {"before": say.share(model.before), "month": say.month(model.before_month)}
    if not model.change.clear:
        return say("headline.same", **known)
    return say("headline.up" if model.change.value > 0 else "headline.down", **known)


def reason(say: Translator, model: ModelReport) -> str:
    """Why the light is what it is."""
    if model.rule is LightRule.BELOW_BASELINE and model.baseline is not None:
        return say("rule.below_baseline", baseline=say.rate(model.baseline))
    if model.rule is LightRule.FEW_LABELS:
        return say("rule.few_labels", fewest=FEWEST_LABELS)
    return say(f"rule.{model.rule}")


def stated_rule(say: Translator) -> str:
    return say("rule.stated", fewest=FEWEST_LABELS, tolerance=round(100 * TOLERANCE))


def tiles(say: Translator, model: ModelReport, earlier: str) -> list[Tile]:
    """`earlier` is the month before."""

    def before(value: str, month: str | None) -> str:
        return say("tile.before", month=say.month(month), value=value) if month else ""

    def detail(figure: ReportRate, digits: int = 0) -> str:
        return f"{say.range(figure, digits)}, {say('figure.n', n=figure.n)}" if figure.value is not None else ""

    def unsupported() -> list[Tile]:
        """Of a model that writes: one that sorts states nothing."""
        claims, claims_before = model.hallucination, model.hallucination_before
        if model.task == "classify":
            return []
        changed = claims_before and claims_before != claims
        return [
            Tile(
                say("tile.hallucination"),
                say.share(claims, 1) if claims else say("tile.not_measured"),
                detail(claims, 1) if claims else "",
                before(say.rate(claims_before, 1), earlier) if claims_before and changed else say("tile.of_evaluation"),
            )
        ]

    return [
        Tile(
            say("tile.accuracy"),
            say.share(model.accuracy),
            detail(model.accuracy),
            before(say.rate(model.before), model.before_month) if model.before.value is not None else "",
        ),
        Tile(
            say("tile.reported"),
            say.share(model.reported, 1),
            detail(model.reported, 1),
            before(say.rate(model.reported_before, 1), earlier) if model.reported_before.value is not None else "",
        ),
        *unsupported(),
        Tile(
            say("tile.answers"),
            say.number(model.answers),
            "",
            before(say.number(model.answers_before), earlier) if model.answers_before else "",
        ),
    ]


def done(say: Translator, model: ModelReport) -> list[str]:
    work = model.work
    sentences: list[str] = []
    if n := sum(work.examples.values()):
        sources = say.list([say(f"source.{source}", n=each) for source, each in work.examples.items()])
        sentences.append(say.counted("done.examples", n, sources=sources))
    if work.labels:
        sentences.append(say.counted("done.labels", work.labels))
    sentences += [
        say("done.retrained", why=say(f"trigger.{each.trigger}"), result=state(say, each)) for each in model.retrains
    ]
    sentences += [say("done.live_test", **_tested(say, each)) for each in model.live_tests]
    released = list(dict.fromkeys(work.deployed))
    if released:
        sentences.append(say("done.deployed", versions=say.list([f"v{number}" for number in released])))
    if work.rollbacks:
        sentences.append(say("done.rollback", count=work.rollbacks))
    return sentences or [say("done.nothing" if model.in_service else "done.prepared")]


def state(say: Translator, retrain: Retrain) -> str:
    return say(f"state.{retrain.state}", candidate=f"v{retrain.candidate}")


def retrain_title(say: Translator, retrain: Retrain) -> str:
    date = say.day(retrain.started)
    if retrain.candidate is None:
        return say("retrain.unfinished", date=date, state=state(say, retrain))
    if retrain.production is None:
        return say("retrain.first", date=date, candidate=f"v{retrain.candidate}")
    return say("retrain.title", date=date, production=f"v{retrain.production}", candidate=f"v{retrain.candidate}")


def retrain_facts(say: Translator, retrain: Retrain) -> list[str]:
    sentences = [say("retrain.why", why=say(f"trigger.{retrain.trigger}"))]
    if retrain.examples is not None and retrain.new_examples:
        sentences.append(say("retrain.data_new", n=retrain.examples, new=retrain.new_examples))
    elif retrain.examples is not None:
        sentences.append(say("retrain.data", n=retrain.examples))
    if retrain.rows:
        sentences.append(say("retrain.same_questions", n=retrain.rows[0].n, fixed=retrain.fixed, broken=retrain.broken))
    return [*sentences, *([turned_down(say, retrain)] if retrain.turned_down else [])]


def turned_down(say: Translator, retrain: Retrain) -> str:
    """One sentence about the last candidate that did not pass, and what is done about it."""
    last = retrain.turned_down[-1]
    later = retrain.state not in (CycleState.REJECTED, CycleState.FAILED)
    then = say("retrain.then_another" if later else "retrain.then_kept")
    candidate = f"v{last.candidate}"
    if last.category is None or last.before is None or last.after is None:
        return say("retrain.turned_down", candidate=candidate, then=then)
    lost = {"category": category_title(last.category), "before": say.rate(last.before), "after": say.rate(last.after)}
    return say("retrain.turned_down_in", candidate=candidate, then=then, **lost)


def verdict(say: Translator, retrain: Retrain) -> str:
    if retrain.outcome is None:
        return ""
    result = say(f"retrain.{retrain.outcome}", n=retrain.labels_needed or 0)
    return f"{result} {state(say, retrain)[0].upper()}{state(say, retrain)[1:]}." if retrain.candidate else result


def live_test_title(say: Translator, test: LiveTest) -> str:
    return say("live.title", date=say.day(test.began), **_tested(say, test))


def live_test_facts(say: Translator, test: LiveTest) -> str:
    """What its figures mean, and how it ended."""
    if test.difference is None:
        known = say("live.no_labels")
    elif test.difference.clear:
        known = say(
            "live.better" if test.difference.value > 0 else "live.worse", difference=say.difference(test.difference)
        )
    else:
        known = say("live.unclear", difference=say.difference(test.difference))
    return f"{known} {say(f'live.{test.state}', **_tested(say, test))}"


def _tested(say: Translator, test: LiveTest) -> dict[str, str]:
    return {
        "production": f"v{test.production}",
        "candidate": f"v{test.candidate}",
        "share": say.percent(test.share),
    }


def alert(say: Translator, entry: AlertEntry) -> str:
    """What was noticed: in the report's language where the numbers are known, else as the monitor wrote it."""
    if entry.service is not None:
        if entry.ends_on is None:
            return say("alerts.away", service=entry.service)
        return say("alerts.ends", service=entry.service, date=say.day(entry.ends_on))
    if not entry.falls:
        return entry.summary
    key, digits = ("alerts.reported", 1) if entry.kind is AlertKind.REPORTS else ("alerts.fell", 0)
    sentences = [
        say(
            "alerts.fell_in" if each.name else key,
            name=category_title(each.name) if each.name else each.name,
            before=say.rate(each.before, digits),
            after=say.rate(each.after, digits),
        )
        for each in entry.falls
    ]
    named = say.list([category_title(name) for name in entry.named])
    return " ".join([*sentences, *([say("alerts.most", names=named)] if entry.named else [])])


def rank(categories: tuple[Category, ...]) -> Ranking:
    """Best and worst never name the same category, and one in which nothing was right is among the worst."""
    known = [each for each in categories if each.now.n >= RANKED_FROM and each.kind is CategoryKind.KNOWN]
    ordered = sorted(known, key=lambda each: (-(each.now.value or 0.0), -each.now.n, each.name))
    best = [each for each in ordered[: min(RANKED, (len(ordered) + 1) // 2)] if each.now.value]
    return Ranking(
        best=best,
        worst=list(reversed(ordered[len(best) :]))[:RANKED],
        new=[each for each in categories if each.kind is CategoryKind.NEW],
        unranked=sum(each.now.n < RANKED_FROM and each.kind is CategoryKind.KNOWN for each in categories),
    )


def category_title(name: str) -> str:
    """A label as people write it: "order_status" is "Order status"."""
    words = name if " " in name else name.replace("_", " ").replace("-", " ")
    return words[:1].upper() + words[1:]


def next_steps(say: Translator, model: ModelReport) -> list[str]:
    if not model.in_service:
        return [say("next.first")]
    sentences = [say(f"next.{task.task}", date=say.day(task.next_at), days=task.every_days) for task in model.tasks]
    waiting = [each for each in model.retrains if each.state is CycleState.AWAITING_PROMOTION]
    sentences += [f"{state(say, each)[0].upper()}{state(say, each)[1:]}." for each in waiting]
    if model.labels_due:
        sentences.append(say.counted("next.labels", model.labels_due))
    if model.smallest_drop is not None and model.labels_per_week:
        sentences.append(
            say("next.power", labels=model.labels_per_week, points=say.points(model.smallest_drop, sign=False))
        )
    return sentences or [say("next.nothing")]
