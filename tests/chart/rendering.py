"""Helm's output for a profile, as objects."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "tuneloop"
TOOLS = Path(os.environ.get("TUNELOOP_CHART_TOOLS", ROOT / ".chart-tools"))
PROFILES = {"one node": ("one-node",), "cloud": ("cloud",), "gpu": ("cloud", "gpu")}
BARE = {
    "publicUrl": "https://tuneloop.example.com",
    "image.repository": "registry.example.com/tuneloop",
    "objects.url": "s3://objects/here",
    "secret.existing": "tuneloop",
}

Object = dict[str, Any]


class RenderFailed(Exception):
    """What helm said."""


def values_of(*profiles: str) -> list[str]:
    return [part for profile in profiles for part in ("--values", str(CHART / "profiles" / f"{profile}.yaml"))]


def helm(*arguments: str) -> str:
    done = subprocess.run([TOOLS / "helm", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RenderFailed(done.stderr + done.stdout)
    return done.stdout


def template(*arguments: str) -> str:
    return helm("template", "north", str(CHART), "--namespace", "agency", *arguments)


def render(*profiles: str, **chosen: str) -> list[Object]:
    """Objects of the chart; `chosen` are single values, their dots written as `__`."""
    sets = [part for name, value in chosen.items() for part in ("--set", f"{name.replace('__', '.')}={value}")]
    return parse(template(*values_of(*profiles), *sets))


def bare(**more: str) -> list[str]:
    """Arguments of the least that can be rendered."""
    return [part for name, value in (BARE | more).items() for part in ("--set", f"{name}={value}")]


def parse(rendered: str) -> list[Object]:
    return [each for each in yaml.safe_load_all(rendered) if each]


def kinds(objects: list[Object], kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Name of the owner and template of each pod."""
    for each in objects:
        if each["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield each["metadata"]["name"], each["spec"]["template"]


def containers(objects: list[Object]) -> Iterator[tuple[str, Object, Object]]:
    """Owner, pod spec and container, for those that run our images."""
    for owner, pod in pods(objects):
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            if "/tuneloop-" in container["image"]:
                yield owner, pod["spec"], container
