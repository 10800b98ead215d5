"""How long the demo takes: estimated from what the machine measures, corrected by what its stages really took."""

from dataclasses import replace

import pytest

from tuneloop_local.demo.pace import FIRST_DOUBT, REFERENCE, Cost, Machine, Pace, costs, in_words, measure
from tuneloop_local.demo.scenario import built_in


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_only_what_a_machine_is_slower_at_takes_longer() -> None:
    cost = Cost(training=10, answering=2, programs=4, waits=1)
    assert cost.on(REFERENCE) == pytest.approx(17)
    assert cost.on(replace(REFERENCE, arithmetic=REFERENCE.arithmetic / 2)) == pytest.approx(29)
    assert cost.on(replace(REFERENCE, programs=REFERENCE.programs / 2)) == pytest.approx(21)
    other = replace(REFERENCE, bf16=not REFERENCE.bf16)
    gain = other.training / REFERENCE.training
    assert cost.on(other) == pytest.approx(10 / gain + 7)
    assert Cost(waits=7).on(Machine(arithmetic=0.1, programs=0.1)) == pytest.approx(7)


@pytest.mark.parametrize("task", ["classify", "generate"])
def test_more_data_takes_longer_where_it_is_used(task: str) -> None:
    scenario = built_in(task)
    known = costs(scenario)
    more = costs(replace(scenario, train=scenario.train * 2))
    longer = {stage for stage in known if more[stage].on(REFERENCE) > known[stage].on(REFERENCE)}
    assert longer == {"train", "retrain"}
    assert more["train"].training == 2 * known["train"].training


def test_a_measurement_is_of_this_machine() -> None:
    one = measure(1)
    assert one.arithmetic > 0
    assert one.programs > 0


def test_what_is_left_falls_with_the_time_and_ends_with_the_last_stage(clock: Clock) -> None:
    pace = Pace({"train": 100.0, "serve": 20.0}, clock)
    assert pace.left() == pytest.approx(120)
    pace.begin("train")
    clock.now = 60
    assert pace.left() == pytest.approx(60)
    clock.now = 100
    pace.end()
    assert pace.seconds == {"train": 100}
    assert pace.left() == pytest.approx(20)
    pace.begin("serve")
    clock.now = 125
    assert pace.left() == 0
    pace.end()
    assert pace.left() == 0


def test_stages_that_took_twice_as_long_make_the_others_longer(clock: Clock) -> None:
    pace = Pace({"train": 300.0, "retrain": 400.0}, clock)
    pace.begin("train")
    clock.now = 600
    pace.end()
    expected = (600 + FIRST_DOUBT) / (300 + FIRST_DOUBT)
    assert pace.correction == pytest.approx(expected)
    assert pace.left() == pytest.approx(400 * expected)


def test_a_short_first_stage_says_little(clock: Clock) -> None:
    pace = Pace({"start": 1.0, "train": 300.0}, clock)
    pace.begin("start")
    clock.now = 4
    pace.end()
    assert pace.left() == pytest.approx(300 * (4 + FIRST_DOUBT) / (1 + FIRST_DOUBT))


def test_what_a_step_says_of_itself_counts_where_it_is_more(clock: Clock) -> None:
    pace = Pace({"train": 100.0, "serve": 20.0}, clock)
    pace.begin("train")
    clock.now = 50
    pace.expect(90.0)
    assert pace.left() == pytest.approx(110)
    clock.now = 60
    assert pace.left() == pytest.approx(100)
    pace.expect(None)
    assert pace.left() == pytest.approx(60)


@pytest.mark.parametrize(("seconds", "words"), [(0, "10 s"), (12, "10 s"), (89, "90 s"), (90, "2 min"), (400, "7 min")])
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
