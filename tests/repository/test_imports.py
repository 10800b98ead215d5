"""What importing this project loads, and what it must not."""

import platform
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = {
    "platform": {"tuneloop", "tuneloop_local"},
    "bot": {"tuneloop_bot"},
    "workers": {"tuneloop_workers"},
    "billing": {"tuneloop_billing"},
    "reports": {"tuneloop_reports"},
}
HEAVY = ("torch", "transformers", "peft", "trl", "llama_cpp")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_platform_is_still_the_standard_library_s() -> None:
    assert platform.__file__ == str(Path(sysconfig.get_path("stdlib")) / "platform.py")
    loaded = run(sys.executable, "-c", "import platform; print(platform.__file__)")
    assert loaded.strip() == platform.__file__


@pytest.mark.parametrize(("root", "packages"), SOURCE_ROOTS.items())
def test_a_source_root_is_no_package_and_holds_exactly_its_own(root: str, packages: set[str]) -> None:
    assert not (ROOT / root / "__init__.py").exists()
    assert {folder.parent.name for folder in (ROOT / root).glob("*/__init__.py")} == packages


def test_importing_needs_no_environment_and_loads_nothing_heavy() -> None:
    modules = "tuneloop.cli.main, tuneloop.web.app, tuneloop_bot, tuneloop.kit.jobs.runtime, tuneloop.kit.jobs.broker"
    program = f"import sys, {modules}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], env={}, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_list_of_commands_loads_no_table_and_a_command_no_service() -> None:
    services = ("litestar", "scipy", "redis", "dramatiq", "stripe", "slack_bolt", "weasyprint", "tokenizers", *HEAVY)
    program = (
        "import sys; from importlib import import_module; from tuneloop.cli.main import ENTRIES\n"
        "print('sqlmodel' in sys.modules)\n"
        "for entry in ENTRIES.values(): import_module(f'tuneloop.cli.{entry.module}')\n"
        f"print(sorted(set({services!r}) & set(sys.modules)))"
    )
    assert run(sys.executable, "-c", program).split("\n")[:2] == ["False", "[]"]


def test_every_part_has_its_layer() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    assert not any(":" in layer for layer in contract["layers"])
    assert "ignore_imports" not in contract
    layered = {part for layer in contract["layers"] for part in layer.split(" | ")}
    here = {
        f"tuneloop.{path.stem}"
        for path in (ROOT / "platform" / "tuneloop").iterdir()
        if path.name[0] not in "_." and (path.is_dir() or path.suffix == ".py")
    }
    assert layered == here | set.union(*SOURCE_ROOTS.values()) - {"tuneloop"}


def test_the_layers_hold() -> None:
    assert "0 broken" in run(str(Path(sys.executable).parent / "lint-imports"))


def test_the_tests_are_packages_that_hide_no_source() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
    assert not (ROOT / "tests" / "platform").exists()
