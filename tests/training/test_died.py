"""A trainer that dies without a word is told of in words that say what to do."""

import pytest

from tuneloop.kit.processes import how_it_ended
from tuneloop_workers.handlers.trainer_process import died


def test_a_trainer_that_the_kernel_killed_was_short_of_memory() -> None:
    assert died(-9, "spec.log") == (
        "the trainer was ended by the system, most likely because memory was short; stop what else runs on the machine "
        "that trains, or give it more memory, then try again"
    )


@pytest.mark.parametrize(("code", "words"), [(-11, "was ended by SIGSEGV"), (1, "ended with code 1")])
def test_other_ends_lead_to_the_log(code: int, words: str) -> None:
    assert how_it_ended(code) == words
    assert died(code, "spec.log") == f"the trainer {words}; spec.log in the job's folder says more"
