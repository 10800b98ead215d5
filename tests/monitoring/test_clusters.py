"""New kinds of questions: found as groups, named by their words, shown with examples, asked about on demand."""

import random

import pytest
from sqlmodel import select

from tests.monitoring.traffic import Traffic
from tests.support.cycles import Workshop
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.clusters import ask_about_cluster, new_clusters, questions_of, store_clusters
from tuneloop.monitoring.status import monitor_of
from tuneloop.tables import Example, ReviewItem
from tuneloop_workers.novel_query_clustering import find_clusters

THINGS = ["tent", "lamp", "jacket", "stove", "rope", "boots", "bottle", "helmet"]
DAYS = ["monday", "friday", "last week", "in march", "two days ago", "this morning"]
KNOWN = [
    "where is the {thing} that i ordered {day}",
    "my {thing} has not arrived, i bought it {day}",
    "i want my money back for the {thing} from {day}",
    "the {thing} broke {day}, can you mend it",
    "which size of {thing} fits me, i am tall, and i need it {day}",
]
GIFT = [
    "is my gift card still valid if i got it {day} for a {thing}",
    "the gift card code is refused when i pay for the {thing} since {day}",
    "can i use two gift cards for one {thing} {day}",
]


def questions(templates: list[str], count: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [
        generator.choice(templates).format(thing=generator.choice(THINGS), day=generator.choice(DAYS))
        + f" order {generator.randrange(10_000)}"
        for _ in range(count)
    ]


def test_a_new_kind_of_question_is_one_group_with_its_words() -> None:
    traffic = [*questions(KNOWN, 150, 1), *questions(GIFT, 15, 2)]
    (cluster,) = find_clusters(traffic, questions(KNOWN, 400, 3))
    assert set(cluster.members) <= set(range(150, 165))
    assert len(cluster.members) >= 12
    assert "gift" in cluster.name
    assert cluster.p_value < 0.001


def test_known_kinds_of_questions_are_no_news() -> None:
    for seed in range(5):
        assert find_clusters(questions(KNOWN, 150, 10 + seed), questions(KNOWN, 400, 50 + seed)) == []


@pytest.mark.parametrize("traffic", [[], ["a b c"] * 5, ["one two", "three four"] * 6, ["?"] * 40])
def test_too_little_to_compare_gives_no_groups(traffic: list[str]) -> None:
    assert find_clusters(traffic, traffic) == []


def test_a_group_without_words_is_named_by_one_of_its_questions() -> None:
    traffic = [*questions(KNOWN, 150, 1), *["👍👍👍 4711"] * 15, *["??? !!!"] * 15]
    names = {cluster.name for cluster in find_clusters(traffic, questions(KNOWN, 400, 3))}
    assert names == {"👍👍👍 4711", "??? !!!"}


def test_questions_that_share_nothing_with_any_other_are_in_no_group() -> None:
    strange = [chr(0x4E00 + number) for number in range(60)]
    assert find_clusters([*questions(KNOWN, 100, 1), *strange], questions(KNOWN, 300, 3)) == []


@pytest.fixture
def found(session: TenantSession, workshop: Workshop, traffic: Traffic) -> Traffic:
    """Traffic with a new kind of question, and the reading that found it."""
    for example, text in zip(workshop.examples, questions(KNOWN, 100, 5), strict=True):
        session.get_one(Example, example.id).messages = [{"role": "user", "content": text}]
    texts = [*questions(KNOWN, 70, 1), *questions(GIFT, 30, 2)]
    for row, text in zip(traffic.answers(len(texts)), texts, strict=True):
        row.messages = [{"role": "user", "content": text}]
    session.flush()
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    asked = questions_of(session, workshop.model, monitor, until=now())
    assert asked is not None
    store_clusters(session, asked, find_clusters([each.text for each in asked.traffic], asked.known))
    return traffic


@pytest.mark.usefixtures("found")
def test_a_group_is_shown_with_share_and_examples(session: TenantSession, workshop: Workshop) -> None:
    (cluster,) = new_clusters(session, workshop.model)
    assert (cluster.share.n, cluster.share.low < (cluster.share.value or 0) < cluster.share.high) == (100, True)
    assert all("gift card" in example.question for example in cluster.examples)
    assert cluster.mean_confidence == pytest.approx(0.9)


@pytest.mark.usefixtures("found")
def test_asking_about_a_group_fills_the_review_queue_once(
    session: TenantSession, workshop: Workshop, principal: Principal
) -> None:
    (cluster,) = new_clusters(session, workshop.model)
    added = ask_about_cluster(session, principal=principal, model=workshop.model, name=cluster.name)
    items = session.exec(select(ReviewItem)).all()
    assert len(items) == added > 5
    assert all(cluster.name in item.reason for item in items)
    with pytest.raises(InvalidInput, match="in the review queue already"):
        ask_about_cluster(session, principal=principal, model=workshop.model, name=cluster.name)
    with pytest.raises(InvalidInput, match="no group 'shoes'"):
        ask_about_cluster(session, principal=principal, model=workshop.model, name="shoes")


def test_few_questions_are_not_grouped(session: TenantSession, workshop: Workshop, traffic: Traffic) -> None:
    traffic.answers(200)
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    for row in traffic.answers(30):
        row.messages = [{"role": "user", "content": "the same"}]
    session.flush()
    asked = questions_of(session, workshop.model, monitor, until=now())
    assert asked is not None
    assert len(asked.traffic) == 100  # as many as there are known examples
