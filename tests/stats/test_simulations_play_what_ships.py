"""A published figure is of the shipped rule: simulations call what production calls, with the same parameters."""

import ast
from collections.abc import Iterator
from importlib import import_module
from inspect import getmembers, isclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tuneloop.stats
from tuneloop.evaluation.comparison import gate_policy
from tuneloop.registry.policy import Policy
from tuneloop.stats.attempts import ATTEMPTS, alpha_of
from tuneloop.stats.categories import CategoryCharts
from tuneloop.stats.control_charts import BURN_IN, FALSE_ALARM_RATE, HORIZON, DriftChart
from tuneloop.stats.gate import Policy as GatePolicy
from tuneloop.stats.simulations import categories, charts, gate

PRODUCT = Path(__file__).parents[2]
STATS = Path(next(iter(tuneloop.stats.__path__)))
PARTS = ("platform/tuneloop", "bot/tuneloop_bot", "workers/tuneloop_workers", "reports/tuneloop_reports")


class Definition(NamedTuple):
    """A name of a module in `tuneloop.stats`."""

    module: str
    name: str


def _module_of(file: Path) -> str:
    return ".".join(["tuneloop.stats", *file.relative_to(STATS).with_suffix("").parts])


SIMULATIONS = {_module_of(file): ast.parse(file.read_text()) for file in sorted((STATS / "simulations").glob("*.py"))}
RULES = {_module_of(file): ast.parse(file.read_text()) for file in sorted(STATS.glob("*.py"))}
PRODUCTION = [
    ast.parse(file.read_text())
    for part in PARTS
    for file in sorted((PRODUCT / part).rglob("*.py"))
    if STATS not in file.parents and file.name != "simulate.py"
]


def _imported(tree: ast.AST) -> dict[str, Definition]:
    """What a module calls the names that it takes from the rules."""
    return {
        alias.asname or alias.name: Definition(node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in RULES
        for alias in node.names
    }


def _defined(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _attributes(tree: ast.AST) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _shipped() -> tuple[set[Definition], set[str]]:
    """What production takes from the rules, and what that takes in turn; and all attributes that this code reads."""
    bodies = {Definition(module, name): node for module, tree in RULES.items() for name, node in _defined(tree)}
    waiting = [found for tree in PRODUCTION for found in _imported(tree).values()]
    attributes = set().union(*map(_attributes, PRODUCTION))
    seen: set[Definition] = set()
    while waiting:
        found = waiting.pop()
        if found in seen or found not in bodies:
            continue
        seen.add(found)
        body, known = bodies[found], _imported(RULES[found.module])
        attributes |= _attributes(body)
        waiting += [known.get(name, Definition(found.module, name)) for name in _names(body)]
    return seen, attributes


SHIPPED, READ = _shipped()


@pytest.mark.parametrize("module", SIMULATIONS)
def test_a_simulation_takes_only_what_production_takes(module: str) -> None:
    taken = set(_imported(SIMULATIONS[module]).values())
    aliases = {found for found in taken if found.name in {"Array", "Flags"}}
    assert not taken - aliases - SHIPPED


@pytest.mark.parametrize("module", SIMULATIONS)
def test_a_simulation_calls_only_methods_that_production_calls(module: str) -> None:
    taken = [getattr(import_module(found.module), found.name) for found in _imported(SIMULATIONS[module]).values()]
    methods = {
        name
        for rule in taken
        if isclass(rule)
        for name, _ in getmembers(rule)
        if not name.startswith("_") and name in vars(rule)
    }
    assert not (_attributes(SIMULATIONS[module]) & methods) - READ


@pytest.mark.parametrize("module", SIMULATIONS)
def test_a_simulation_hands_no_number_of_its_own_to_a_rule(module: str) -> None:
    functions = {name for name, found in _imported(SIMULATIONS[module]).items() if found.name[0].islower()}
    calls = [
        node
        for node in ast.walk(SIMULATIONS[module])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions
    ]
    given = [value for call in calls for value in (*call.args, *(keyword.value for keyword in call.keywords))]
    assert [
        ast.unparse(value) for value in given if isinstance(value, ast.Constant) and type(value.value) is float
    ] == []


def test_the_policy_that_models_start_with_is_the_one_that_is_played() -> None:
    policy = Policy()
    for attempt in range(1, ATTEMPTS + 1):
        assert gate_policy(policy, attempt=attempt) == GatePolicy(alpha=alpha_of(attempt, gate._ALPHA))
    assert (policy.label_budget, policy.disagreement_queries) == (gate._BUDGET, gate._QUERIES)
    assert policy.false_alarm_rate == FALSE_ALARM_RATE


def test_years_are_charted_as_a_monitor_charts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Week after week, each on the chart that continues the last one; the rounding of the simulation is left out."""
    monkeypatch.setattr(charts, "_STEP", 1e-12)
    generator = np.random.default_rng(5)
    rates = np.full((4, 24), 0.87)
    rates[1:, 12:] = 0.78
    rates[3, :8] = 0.6
    correct = generator.binomial(100, rates)
    played = charts.charted((348, 400), correct, 100)
    for run, weeks in enumerate(correct.tolist()):
        chart, alarms = DriftChart((348, 400)), []
        for right in weeks:
            chart = chart.continued()
            alarms.append(chart.observe(right, 100).alarm)
        assert alarms == played[run].tolist()
    assert played.any(axis=1).tolist() == [False, True, True, True]


def test_years_of_categories_are_charted_as_a_monitor_charts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(categories, "_YEARS", 3)
    monkeypatch.setattr(categories, "_BASELINES", 1)
    truth, labels = np.array([0.9, 0.8]), 10
    monkeypatch.setattr(categories, "_NAMES", ["repair", "rental"])
    played = categories._alarms(truth, labels, fall=0.5)
    generator = np.random.default_rng(categories._SEED)
    baselines = dict(zip(categories._NAMES, [(int(right), 40) for right in generator.binomial(40, truth)], strict=True))
    rates = np.repeat(truth[:, None], HORIZON, axis=1)
    rates[0, charts.CHANGE :] = 0.5
    for run, weeks in enumerate(generator.binomial(labels, rates, size=(3, 2, HORIZON))):
        charted = CategoryCharts(baselines)
        for week in range(HORIZON):
            counts = {name: (int(weeks[place, week]), labels) for place, name in enumerate(categories._NAMES)}
            seen = charted.observe(counts)
            assert [seen[name].alarm for name in categories._NAMES] == played[run, :, week].tolist()
    assert played[:, 0].any(axis=1).all()


def test_a_chart_learns_its_wobble_once_and_begins_anew_after_a_year() -> None:
    chart = DriftChart((87, 100))
    fitted = []
    for week in range(HORIZON + 1):
        chart = chart.continued()
        fitted.append(chart.design.overdispersion)
        chart.observe(87 - 4 * (week % 2), 100)
    assert set(fitted[:BURN_IN]) == {0.0}
    assert len(set(fitted[BURN_IN:])) == 1
    assert fitted[-1] > 0
    assert len(chart.weeks) == BURN_IN + 1
