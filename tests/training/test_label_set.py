"""What each decision of the label tree is between, and which labels it can still lead to."""

from tuneloop_workers.training.label_set import label_set

LABELS = {"card lost": (40, 60), "card blocked": (40, 61), "phone lost": (41, 60), "phone blocked": (41, 61)}


def test_two_decisions_that_allow_the_same_tokens_keep_what_each_of_them_leads_to() -> None:
    labels = label_set(LABELS, end=1)
    card, phone = labels.decisions["card lost"][-1], labels.decisions["phone lost"][-1]
    assert card.allowed == phone.allowed
    staying = labels.leading_to({"card lost", "card blocked", "phone lost"})
    assert set(staying[card.path]) == set(card.allowed)
    assert staying[phone.path] == (phone.chosen,)
