"""Begin a shadow test once the serving host has its candidate, and read it while it runs."""

from functools import partial

from tuneloop.evaluation.equality import same_answer
from tuneloop.evaluation.scoring import score
from tuneloop.gateway.serving_host import preload
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.registry.contract import Contract
from tuneloop.registry.service import contract_of, served_here
from tuneloop.shadow_tests.jobs import BeginShadowTest, GiveUpShadowTest, ReadShadowTest
from tuneloop.shadow_tests.reading import JudgeDifference, read
from tuneloop.shadow_tests.service import begin, give_up
from tuneloop.tables import AdapterVersion, RegisteredModel, ReviewItem, ShadowState, ShadowTest


@handles(BeginShadowTest)
def begin_shadow_test(context: JobContext, job: BeginShadowTest) -> None:
    with context.reading() as session:
        test = session.get_one(ShadowTest, job.shadow_test_id)
        if test.state is not ShadowState.STARTING:
            return
        candidate = session.get_one(AdapterVersion, test.candidate_version_id)
        here = served_here(session, candidate)
    if here:
        preload(context.settings, candidate.digest)
    with context.unit() as session:
        begin(session, principal=context.principal, test_id=job.shadow_test_id)


@handles(GiveUpShadowTest)
def give_up_shadow_test(context: JobContext, job: GiveUpShadowTest) -> None:
    with context.unit() as session:
        give_up(session, principal=context.principal, test_id=job.shadow_test_id, reason=job.reason)


@handles(ReadShadowTest)
def read_shadow_test(context: JobContext, job: ReadShadowTest) -> None:
    with context.unit() as session:
        model = session.get_one(RegisteredModel, session.get_one(ShadowTest, job.shadow_test_id).model_id)
        contract = contract_of(model)
        read(
            session,
            principal=context.principal,
            test_id=job.shadow_test_id,
            same=partial(same_answer, contract),
            judge=judge_by(contract),
        )


def judge_by(contract: Contract) -> JudgeDifference:
    """By the scorer that judges production."""

    def judge(item: ReviewItem) -> tuple[bool, bool]:
        production, candidate = (
            score(item, item.answers[who], contract).correct for who in ("production", "candidate")
        )
        return production, candidate

    return judge
