"""The chart renders to objects that Kubernetes takes, and refuses values that would not work, with a sentence."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.chart.rendering import (
    CHART,
    PROFILES,
    TOOLS,
    Object,
    RenderFailed,
    bare,
    helm,
    kinds,
    parse,
    pods,
    render,
    template,
    values_of,
)

KUBERNETES = ("1.33", "1.35", "1.37")
CUSTOM = ("keda.sh", "monitoring.coreos.com", "gateway.networking.k8s.io")


@pytest.fixture(params=PROFILES, ids=lambda name: name.replace(" ", "-"))
def profiles(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return PROFILES[request.param]


def test_lint_finds_nothing(profiles: tuple[str, ...]) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), *values_of(*profiles))


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(profiles: tuple[str, ...], version: str, tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(template(*values_of(*profiles), "--kube-version", version))
    command = [str(TOOLS / "venv/bin/kubernetes-validate"), "--strict", "--kubernetes-version", version, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    unknown = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("WARN")]
    assert all(any(group in line for group in CUSTOM) for line in unknown)


def complaints(objects: list[Object]) -> str:
    custom = [each for each in objects if each["apiVersion"].split("/")[0] in CUSTOM]
    command = ["node", str(Path(__file__).with_name("custom_resources.mjs")), str(TOOLS)]
    done = subprocess.run(command, input=json.dumps(custom), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_custom_resources_follow_their_schemas(profiles: tuple[str, ...]) -> None:
    assert complaints(render(*profiles)) == ""


def test_a_wrong_custom_resource_is_found() -> None:
    (scaled, *_) = kinds(render("cloud"), "ScaledObject").values()
    del scaled["spec"]["triggers"][0]["type"]
    assert "triggers" in complaints([scaled])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"publicUrl": ""}, "publicUrl is empty"),
        ({"image.repository": ""}, "image.repository is empty"),
        ({"objects.url": ""}, "no object store"),
        ({"objects.volume.create": "true"}, "choose one"),
        (
            {"objects.url": "", "objects.volume.create": "true", "objects.volume.accessMode": "ReadWriteOnce"},
            "pods on other nodes could not start",
        ),
        ({"secret.existing": ""}, "no database"),
        ({"secret.existing": "", "secret.values.database-url": "x", "secret.values.migration-url": "x"}, "no broker"),
        ({"secret.values.smtp-url": "x"}, "put the values into the existing Secret"),
        ({"postgresql.enabled": "true"}, "set migrations.mode to job"),
        ({"postgresql.enabled": "true", "migrations.mode": "job"}, "leave secret.existing empty"),
        ({"gateway.enabled": "true"}, "gateway.parentRefs"),
        (
            {"workers.gpu.scaling.enabled": "true", "workers.gpu.scaling.minReplicas": "9"},
            "maxReplicas is below minReplicas",
        ),
        ({"workers.gpu.terminationGracePeriodSeconds": "900"}, "590"),
        ({"workers.gpu.queues[0]": "gup"}, "queues"),
        ({"web.replica": "3"}, "replica"),
        ({"publicUrl": "tuneloop.example.com"}, "publicUrl"),
    ],
)
def test_values_that_would_not_work_are_refused_with_a_sentence(change: dict[str, str], sentence: str) -> None:
    with pytest.raises(RenderFailed, match=sentence):
        template(*bare(**change))


def test_a_new_encryption_key_is_never_made_on_an_upgrade() -> None:
    chosen = {"secret.existing": "", "valkey.enabled": "true", "postgresql.enabled": "true", "migrations.mode": "job"}
    (secret,) = kinds(parse(template(*bare(**chosen))), "Secret").values()
    assert len(secret["stringData"]["secret-key"]) == 43
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    with pytest.raises(RenderFailed, match="stored credentials unreadable"):
        template(*bare(**chosen), "--is-upgrade")


def test_what_is_scaled_has_no_replicas_of_its_own() -> None:
    objects = render("cloud")
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for kind in ("ScaledObject", "HorizontalPodAutoscaler")
        for each in kinds(objects, kind).values()
    }
    assert scaled == {"north-tuneloop-web", "north-tuneloop-worker-default", "north-tuneloop-worker-gpu"}
    assert scaled == {name for name, each in kinds(objects, "Deployment").items() if "replicas" not in each["spec"]}


def test_no_disruption_budget_blocks_a_drain(profiles: tuple[str, ...]) -> None:
    objects = render(*profiles)
    budgets = kinds(objects, "PodDisruptionBudget")
    assert set(budgets) == set(kinds(objects, "Deployment"))
    assert all(each["spec"]["maxUnavailable"] == 1 for each in budgets.values())


def test_the_migration_needs_nothing_that_the_release_brings() -> None:
    """A hook runs before the release's other objects exist."""
    objects = render("cloud", secret__existing="mine")
    (job,) = kinds(objects, "Job").values()
    pod = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in pod
    (container,) = pod["containers"]
    assert "envFrom" not in container
    assert {each["valueFrom"]["secretKeyRef"]["name"] for each in container["env"] if "valueFrom" in each} == {"mine"}


def test_with_values_of_the_chart_the_hook_has_a_secret_of_its_own() -> None:
    urls = {f"secret.values.{name}": "postgresql://x" for name in ("database-url", "migration-url", "broker-url")}
    objects = parse(template(*bare(**{"secret.existing": ""}, **urls)))
    hooks = [each for each in objects if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    assert [(each["kind"], each["metadata"]["name"]) for each in hooks] == [
        ("Secret", "north-tuneloop-migrate"),
        ("Job", "north-tuneloop-migrate"),
    ]


def test_each_pod_is_confined(profiles: tuple[str, ...]) -> None:
    for owner, pod in pods(render(*profiles)):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], owner
        assert spec["automountServiceAccountToken"] is False, owner
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"], owner
            assert not security["allowPrivilegeEscalation"], owner
            assert security["capabilities"] == {"drop": ["ALL"]}, owner
            assert "memory" in container["resources"]["limits"], owner


def test_an_engine_is_reached_by_our_own_pods_only(profiles: tuple[str, ...]) -> None:
    policy = kinds(render(*profiles), "NetworkPolicy")["north-tuneloop-serve"]
    for source in policy["spec"]["ingress"][0]["from"]:
        assert source["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "north"
        assert "namespaceSelector" not in source


def test_a_volume_of_one_node_keeps_all_pods_on_it() -> None:
    for owner, pod in pods(render("one-node")):
        if any(volume["name"] == "objects" for volume in pod["spec"].get("volumes", ())):
            affinity = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert affinity[0]["topologyKey"] == "kubernetes.io/hostname", owner


def test_checkov_finds_nothing_that_is_not_explained(profiles: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "objects.yaml").write_text(template(*values_of(*profiles)))
    explained = str(Path(__file__).with_name("checkov.yaml"))
    checkov = str(TOOLS / "venv/bin/checkov")
    command = [checkov, "--config-file", explained, "--file", str(tmp_path / "objects.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_probe_reaches_its_process_and_gives_it_time(profiles: tuple[str, ...]) -> None:
    for owner, pod in pods(render(*profiles)):
        for container in pod["spec"]["containers"]:
            for name in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe := container.get(name):
                    assert probe.get("failureThreshold", 3) >= 3, (owner, name)
            listens = {each["name"]: each.get("value") for each in container.get("env", ())}
            if "TUNELOOP_HEALTH_PORT" in listens:
                assert listens["TUNELOOP_HEALTH_HOST"] == "0.0.0.0", owner
