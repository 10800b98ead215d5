"""The whole loop, once: set up, train, serve, drift, alert, retrain, compare, try on people, promote, roll back."""

import signal
import sys
import time
from contextlib import ExitStack
from typing import Any

from tuneloop.kit.settings import Settings
from tuneloop_local.demo import human
from tuneloop_local.demo.ab_test import try_on_people
from tuneloop_local.demo.collect import collect
from tuneloop_local.demo.cycles import judge, promotable, retrain, train_first
from tuneloop_local.demo.deploy import deploy, production_is_kept
from tuneloop_local.demo.ending import addresses, keep_summary, say_how_to_go_on, versions_of
from tuneloop_local.demo.month import close_month
from tuneloop_local.demo.office import Office, open_office
from tuneloop_local.demo.pace import Pace, costs, in_words, measure
from tuneloop_local.demo.scenario import Scenario
from tuneloop_local.demo.show import Show
from tuneloop_local.demo.weeks import Weeks
from tuneloop_local.installation import installation
from tuneloop_local.ports import with_own_ports


def run_demo(settings: Settings, scenario: Scenario) -> int:
    """Run the loop in `settings.data_dir`.

    Returns:
        0 when the loop did what it should: a candidate was proven and promoted, or none was and production was kept.
        What does not do what it shows raises.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.perf_counter()
    machine = measure(settings.cpu_threads)
    estimates = {stage: cost.on(machine) for stage, cost in costs(scenario).items()}
    show = Show(pace=Pace(estimates))
    show.console.print(f"[bold]Tuneloop demo[/]: {scenario.title}. Data folder: {settings.data_dir}")
    show.console.print(
        f"It takes about [bold]{in_words(sum(estimates.values()))}[/] here ({settings.cpu_threads} cores, measured "
        f"{machine.arithmetic:.0f} GFLOP/s).",
        highlight=False,
    )
    # Ports of its own: a demo may run beside a real installation.
    settings = with_own_ports(settings)
    with ExitStack() as stack:
        with show.stage("start", "Start PostgreSQL, Valkey and every process"):
            running, _ = stack.enter_context(installation(settings))
        with show.stage("set_up", "Set up: an agency, an operator, a client, a base model, a registered model"):
            office = open_office(running, scenario, show)
        summary = play(office)
    summary["machine"] = {**vars(machine), "threads": settings.cpu_threads}
    summary["estimated_seconds"] = estimates
    summary["seconds"] = {**show.pace.seconds, "total": time.perf_counter() - started}
    summary["addresses"] = addresses(running)
    show.summary(summary)
    for sentence in summary["human_work"]["in_words"]:
        show.say(sentence)
    say_how_to_go_on(office, show, keep_summary(running, scenario.model, summary))
    return 0


def play(office: Office) -> dict[str, Any]:
    """One client's model through one cycle, in an office that is open; returns what the summary tells of it."""
    show, scenario = office.show, office.scenario
    weeks = Weeks(office)
    with show.stage("train", f"Initial fine-tuning on {len(scenario.train)} examples"):
        first = train_first(office)
    with show.stage("traffic", "Production traffic through the gateway, week by week"):
        alert = weeks.until_alert()
    with show.stage("collect", "Collect: users' corrections and labelled answers come into training"):
        collected = collect(office)
        show.say(collected.in_words())
    with show.stage("retrain", "Retrain from the checkpoint, after an operator's approval"):
        cycle = retrain(office, alert, weeks.meanwhile)
    with show.stage("judge", "Judge: the golden set, and the traffic that both versions answer differently"):
        cycle = judge(office, cycle)
        comparison = cycle["comparison"]
        show.comparison(comparison["table"], *(cycle[name].rpartition("@")[2] for name in ("parent", "candidate")))
        show.console.print(f"   Verdict: [bold]{comparison['outcome'].replace('_', ' ')}[/]")
        for reason in comparison["reasons"]:
            show.say(f"- {reason}")
    tested = None
    if promotable(cycle):
        with show.stage("ab_test", "A/B test: half of the people get the candidate for a while"):
            tested = try_on_people(office, weeks, cycle)
        with show.stage("deploy", "Promote under live traffic, roll back, roll forward"):
            deployment = deploy(office, cycle)
    else:
        with show.stage("deploy", "Keep production"):
            deployment = production_is_kept(office, cycle)
    with show.stage("month_end", "Close the month for three clients: count, report, invoice, mail"):
        closed = close_month(office.settings, office.operator, scenario, show, office.ledger)
    month = office.ledger.a_month()
    return {
        "model": office.name,
        "versions": versions_of(office),
        "initial": {key: first[key] for key in ("overall", "hallucination", "categories")},
        "weeks": weeks.told,
        "alert": alert,
        "collected": collected.stored(),
        "comparison": comparison["table"],
        "verdict": {key: comparison[key] for key in ("outcome", "reasons", "labels_needed")},
        "attempts": [_attempt(each) for each in office.operator.get(f"/api/v1/cycles/{cycle['id']}/attempts")],
        "ab_test": tested,
        "deployment": deployment,
        "month_end": [each._asdict() for each in closed],
        "human_work": {**human.described(month), "in_words": human.in_words(month)},
    }


def _attempt(attempt: dict[str, Any]) -> dict[str, Any]:
    """What the summary keeps of one: texts of questions stay in the database."""
    found = attempt["diagnosis"] or {}
    kept = {name: attempt[name] for name in ("number", "what", "candidate", "ended", "seconds")}
    return {**kept, "summary": found.get("summary"), "steps": [step["title"] for step in found.get("steps", ())]}
