"""Begin an A/B test once the serving host has its candidate, and read it while it runs."""

from collections.abc import Sequence

from tuneloop.ab_tests.figures import Judged
from tuneloop.ab_tests.jobs import BeginAbTest, GiveUpAbTest, ReadAbTest
from tuneloop.ab_tests.reading import JudgeArm, read
from tuneloop.ab_tests.service import begin, give_up
from tuneloop.evaluation.scorers.grounding import is_hallucination
from tuneloop.evaluation.scoring import item_of, score
from tuneloop.gateway.serving_host import preload
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.registry.contract import Contract
from tuneloop.registry.service import contract_of, served_here
from tuneloop.tables import AbState, AbTest, AdapterVersion, Prediction, RegisteredModel, ReviewItem


@handles(BeginAbTest)
def begin_ab_test(context: JobContext, job: BeginAbTest) -> None:
    with context.reading() as session:
        test = session.get_one(AbTest, job.ab_test_id)
        if test.state is not AbState.STARTING:
            return
        candidate = session.get_one(AdapterVersion, test.candidate_version_id)
        here = served_here(session, candidate)
    if here:
        preload(context.settings, candidate.digest)
    with context.unit() as session:
        begin(session, principal=context.principal, test_id=job.ab_test_id)


@handles(GiveUpAbTest)
def give_up_ab_test(context: JobContext, job: GiveUpAbTest) -> None:
    with context.unit() as session:
        give_up(session, principal=context.principal, test_id=job.ab_test_id, reason=job.reason)


@handles(ReadAbTest)
def read_ab_test(context: JobContext, job: ReadAbTest) -> None:
    with context.unit() as session:
        model = session.get_one(RegisteredModel, session.get_one(AbTest, job.ab_test_id).model_id)
        read(session, principal=context.principal, test_id=job.ab_test_id, judge=judge_arm_of(contract_of(model)))


def judge_arm_of(contract: Contract) -> JudgeArm:
    """The scorer that judges production, and the gate's test for hallucination."""

    def judge(items: Sequence[ReviewItem], predictions: Sequence[Prediction]) -> list[Judged]:
        return [
            Judged(
                score(item, prediction.answer, contract).correct,
                is_hallucination(item_of(item, contract), prediction.answer),
            )
            for item, prediction in zip(items, predictions, strict=True)
        ]

    return judge
