"""What the chart's containers run, read and are asked is what the product has."""

import json
import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise

import pytest
import typer
import yaml
from prometheus_client import REGISTRY

import tuneloop.web.process  # noqa: F401  (registers the metrics of the gateway and the webhooks)
from tests.chart.rendering import CHART, PROFILES, ROOT, Object, containers, kinds, render
from tuneloop.cli.main import app
from tuneloop.kit.jobs import Queue
from tuneloop.kit.jobs.metrics import OLDEST, TO_DO
from tuneloop.kit.settings import Settings
from tuneloop.worker import HANDLERS, SHUTDOWN_MS

EXTRAS = {"web", "bot", "worker", "train", "serve"}
ROLES = {"train-cuda": "train", "serve-cuda": "serve"}
OF_OTHERS = {"HOME", "XDG_CACHE_HOME", "HF_HOME"}
GENERATED = {"database-url", "migration-url", "queue-url", "broker-url", "secret-key", "serve-token", "metrics-token"}
COMMANDS: typer.core.TyperGroup = typer.main.get_command(app)  # type: ignore[assignment]


@pytest.fixture(params=PROFILES, ids=lambda name: name.replace(" ", "-"))
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return render(*PROFILES[request.param])


def test_each_container_runs_a_command_of_the_product(objects: list[Object]) -> None:
    for owner, _, container in containers(objects):
        name, *arguments = container["args"]
        command = COMMANDS.commands[name]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {each for each in arguments if each.startswith("--")} <= options, owner


def test_each_image_is_of_an_extra_that_the_project_has(objects: list[Object]) -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    for owner, _, container in containers(objects):
        role = container["image"].rsplit("/tuneloop-", 1)[1].split(":")[0]
        assert role == "scheduler" or ROLES.get(role, role) in extras & EXTRAS, owner


def test_each_variable_is_a_setting(objects: list[Object]) -> None:
    known = {f"TUNELOOP_{name.upper()}" for name in Settings.model_fields} | OF_OTHERS
    (settings,) = (each for name, each in kinds(objects, "ConfigMap").items() if name == "north-tuneloop")
    assert set(settings["data"]) <= known
    for owner, _, container in containers(objects):
        assert {each["name"] for each in container["env"]} <= known, owner


def test_a_setting_that_is_secret_comes_from_the_secret(objects: list[Object]) -> None:
    secret = {
        f"TUNELOOP_{name.upper()}" for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)
    }
    for owner, _, container in containers(objects):
        shown = {each["name"] for each in container["env"] if "value" in each}
        assert not shown & secret, owner


def test_each_secret_s_key_is_made_or_asked_for(objects: list[Object]) -> None:
    made = kinds(objects, "Secret")
    for owner, _, container in containers(objects):
        for each in container["env"]:
            if "valueFrom" in each:
                wanted = each["valueFrom"]["secretKeyRef"]
                keys = set(made[wanted["name"]]["stringData"]) if made else GENERATED | documented()
                assert wanted["key"] in keys, (owner, each["name"])


def documented() -> set[str]:
    profile = yaml.safe_load((CHART / "profiles/cloud.yaml").read_text())
    return set(profile["secret"]["more"].values())


def test_every_queue_has_a_worker(objects: list[Object]) -> None:
    worked = {queue for owner, queue in queues(objects)}
    assert worked == {str(queue) for queue in Queue} - {Queue.CHAT}
    assert set(HANDLERS) == set(Queue)


def queues(objects: list[Object]) -> Iterator[tuple[str, str]]:
    for owner, _, container in containers(objects):
        arguments = container["args"]
        for option, value in pairwise(arguments):
            if option == "--queues":
                yield owner, value


def test_workers_are_scaled_by_the_jobs_of_their_own_queues() -> None:
    objects = render("cloud")
    for name, each in kinds(objects, "ScaledObject").items():
        (trigger,) = each["spec"]["triggers"]
        counted = set(re.findall(r"'(\w+)'", trigger["metadata"]["query"]))
        assert counted == {queue for owner, queue in queues(objects) if owner == name}


def test_a_stopped_worker_has_time_for_its_checkpoint(objects: list[Object]) -> None:
    for owner, pod, container in containers(objects):
        if container["args"][0] == "worker":
            assert pod["terminationGracePeriodSeconds"] > SHUTDOWN_MS / 1000 + 15, owner


def test_alerts_and_dashboard_name_metrics_that_exist() -> None:

    rules = yaml.safe_load((CHART / "alerts.yaml").read_text())
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    panels = json.loads((CHART / "dashboards/tuneloop.json").read_text())["panels"]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]
    named = {name for each in asked for name in re.findall(r"\btuneloop_\w+", each)}
    known = {sample for metric in REGISTRY.collect() for sample in names(metric.name, metric.type)}
    assert named <= known | {TO_DO, OLDEST}


def names(metric: str, kind: str) -> set[str]:
    return {"counter": {f"{metric}_total"}, "histogram": {f"{metric}_bucket", f"{metric}_count", f"{metric}_sum"}}.get(
        kind, {metric}
    )
