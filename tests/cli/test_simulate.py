import io
import json
import math

import pytest
from rich.console import Console

from tuneloop.cli.output import Output
from tuneloop.cli.simulate import tell
from tuneloop.stats.simulations.finding import Finding, Simulation, Unit, at_least, at_most

QUESTION = Simulation(
    "Falls that are found",
    lambda: [
        Finding.share("found in time", [True] * 70 + [False] * 30, at_least(0.9)),
        Finding.share("false alarms", [False] * 100, at_most(0.05)),
        Finding.median("weeks", Unit.WEEKS, [3.0, math.inf, math.inf]),
    ],
)


def test_aim_and_what_was_reached_stand_side_by_side_and_a_miss_is_named() -> None:
    page = io.StringIO()
    tell(
        [QUESTION],
        "monitor",
        Output(json=False, people=Console(file=page, width=140), notes=Console(file=io.StringIO())),
    )
    lines = page.getvalue().splitlines()
    missed = next(line for line in lines if "found in time" in line)
    assert "≥ 90.0 %" in missed
    assert "70.0 %" in missed
    assert "MISSED" in missed
    assert "met" in next(line for line in lines if "false alarms" in line)
    assert "never" in next(line for line in lines if "weeks" in line)


def test_json_has_every_figure_with_interval_runs_and_result(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    tell([QUESTION], "monitor", Output(json=True))
    told = json.loads(capfdbinary.readouterr().out)
    first = told["simulations"][0]["findings"][0]
    assert (told["subject"], first["reached"], first["runs"], first["result"]) == ("monitor", 0.7, 100, "missed")
    assert first["aim"] == {"bound": 0.9, "at_most": False}
    assert first["low"] < 0.7 < first["high"]
