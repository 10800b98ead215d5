"""Every process starts in an environment with nothing but its own extra."""

import os
import re
import signal
import subprocess
import sysconfig
import tomllib
import venv
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from subprocess import PIPE, STDOUT

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.ports import free_port
from tuneloop_local.engines import EngineUrls
from tuneloop_local.installation import wait_ready

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = ("platform", "bot", "workers", "billing", "reports")

PROCESSES = {
    "web": ("web", ["web"], "Listening at"),
    "worker": ("worker", ["worker", "--queues", "quick", "--queues", "default", "--queues", "slow"], "worker_ready"),
    "train": ("train", ["worker", "--queues", "gpu"], "worker_ready"),
    "serve": ("serve", ["serve", "--base", "of-nobody"], "waiting_for_a_base"),
    "bot": ("bot", ["bot"], "bot_ready"),
    "scheduler": (None, ["scheduler"], "scheduler_ready"),
}
"""By name: its extra, its command, and what it logs once it works."""

CHILDREN = {
    "worker": [
        "tuneloop_workers.quality.checks",
        "tuneloop_workers.novel_query_clustering",
        "tuneloop_reports.render.pdf",
    ],
    "train": ["tuneloop_workers.training.child", "peft"],
    "serve": ["tuneloop_workers.serving.app"],
}
"""Modules that its child processes import."""


def requirements(extra: str | None) -> list[str]:
    return [*PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] if extra else ())]


def closure(wanted: list[str]) -> set[str]:
    """Names of the installed distributions that these requirements bring along."""
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    left = [Requirement(each) for each in wanted]
    while left:
        need = left.pop()
        key = (canonicalize_name(need.name), frozenset(need.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            rest = distribution(need.name).requires or []
        except PackageNotFoundError:  # left out of the lock: torch's CUDA packages
            continue
        found.add(key[0])
        for each in map(Requirement, rest):
            environments = [{"extra": extra} for extra in need.extras] or [{"extra": ""}]
            if each.marker is None or any(each.marker.evaluate(environment) for environment in environments):
                left.append(each)
    return found


def furnish(folder: Path, names: set[str]) -> Path:
    """A virtual environment whose packages are links to those installed here; returns its interpreter."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    here = Path(sysconfig.get_path("purelib"))
    for name in {*names, "tuneloop"}:
        for top in {file.parts[0] for file in distribution(name).files or ()} - {"..", "__pycache__"}:
            link = site / top
            if not link.exists() and not top.endswith(".pth"):
                link.symlink_to(here / top)
    (site / "sources.pth").write_text("\n".join(str(ROOT / each) for each in SOURCES))
    return folder / "bin" / "python"


@pytest.fixture(params=PROCESSES)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    extra = PROCESSES[request.param][0]
    return request.param, furnish(tmp_path / "venv", closure(requirements(extra)))


@pytest.fixture
def variables(urls: EngineUrls, valkey_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TUNELOOP_DATA_DIR": str(tmp_path / "data"),
        "TUNELOOP_DATABASE_URL": urls.database,
        "TUNELOOP_BROKER_URL": valkey_url,
        "TUNELOOP_SECRET_KEY": "k" * 40,
        "TUNELOOP_SERVE_TOKEN": "t" * 40,
        "TUNELOOP_WEB_PORT": str(free_port()),
    }


@pytest.mark.slow
def test_a_process_starts_with_its_extra_alone(environment: tuple[str, Path], variables: dict[str, str]) -> None:
    name, python = environment
    _, command, ready = PROCESSES[name]
    process = subprocess.Popen(
        [python, "-m", "tuneloop.cli.main", *command],
        env=variables,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
        start_new_session=True,
    )
    said = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            pytest.fail("".join(said))
        if name == "web":
            address = f"http://127.0.0.1:{variables['TUNELOOP_WEB_PORT']}"
            wait_ready(f"{address}/readyz")
            assert httpx.get(f"{address}/setup").status_code == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    finally:
        with suppress(ProcessLookupError):  # the whole group: a failed start may leave children
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for module in CHILDREN.get(name, ()):
        done = subprocess.run(
            [python, "-c", f"import {module}"], env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_an_extra_of_one_process_lacks_what_another_needs() -> None:
    """Or the test above would prove nothing."""
    assert "torch" not in closure(requirements("worker"))
    assert "litestar" not in closure(requirements("bot"))
    assert not closure(requirements(None)) & {"stripe", "slack-bolt", "torch", "llama-cpp-python", "weasyprint"}


def test_everything_together_is_one_extra() -> None:
    together = re.search(r"tuneloop\[(.*)\]", PROJECT["optional-dependencies"]["local"][0])
    assert together is not None
    assert set(together[1].split(",")) == {extra for extra, *_ in PROCESSES.values() if extra}
