"""Processes on a machine whose clock is wrong."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


def skewed(seconds: float) -> dict[str, str]:
    """Environment of a process whose clock is `seconds` ahead, or behind if negative."""
    folders = (ROOT / "tests" / "support" / "skewed", ROOT, os.environ.get("PYTHONPATH", ""))
    return {**os.environ, "SKEW_SECONDS": str(seconds), "PYTHONPATH": os.pathsep.join(map(str, folders))}
