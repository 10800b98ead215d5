"""One sentence says what accuracy suffers from and what is done about it; nothing fell, nothing is said."""

import pytest

from tests.reports.sample import END, RETRAIN, between, category, content, figure, model
from tuneloop.tables import AlertKind, AlertState, CycleState
from tuneloop_reports.content import AlertEntry, Fall, LightRule, ModelReport
from tuneloop_reports.document import Medium, write_html
from tuneloop_reports.email import write_email
from tuneloop_reports.explanation import explanation
from tuneloop_reports.i18n import Translator
from tuneloop_reports.style import Language

ENGLISH, GERMAN = Translator(Language.ENGLISH, "UTC"), Translator(Language.GERMAN, "UTC")
ALERT = model().alerts[0].model_copy(update={"falls": (Fall(before=figure(90, 100), after=figure(60, 80)),)})
QUIET = {"alerts": (), "retrains": (), "categories": (category("refund", (44, 47), (52, 56)),)}


def about(alert: AlertEntry, **changed: object) -> ModelReport:
    return model(**{"alerts": (alert,), "categories": QUIET["categories"], **changed})


def test_cause_and_action_in_one_sentence_by_display_names() -> None:
    fallen = about(ALERT.model_copy(update={"named": ("order_status", "gift-card")}))
    assert explanation(ENGLISH, fallen) == (
        "On 12 January 2026 we noticed a fall, mostly in Order status, Gift card; version v1.3, trained on newer "
        "examples, has answered since 23 January 2026."
    )
    assert explanation(GERMAN, fallen) == (
        "Am 12. Januar 2026 haben wir einen Rückgang bemerkt, vor allem bei Order status, Gift card; Version v1.3, mit "
        "neueren Beispielen trainiert, antwortet seit dem 23. Januar 2026."
    )
    page = write_html(content(fallen), medium=Medium.BROWSER, address="/r/x", expires_at=END)
    assert explanation(ENGLISH, fallen) in page
    assert "order_status" not in page
    mail = write_email(
        content(fallen),
        name="Ann",
        address="https://x.example/r/x",
        expires_at=END,
        pdf_sha256="",
        unsubscribe_token=None,
        unsubscribe_address=None,
    )
    assert explanation(ENGLISH, fallen) in mail.text
    assert explanation(ENGLISH, fallen) in mail.html


def test_what_is_new_to_the_model_is_a_cause() -> None:
    new = about(ALERT, categories=(category("rental", (3, 12), None), category("refund", (44, 47), (52, 56))))
    assert explanation(ENGLISH, new).startswith(
        "On 12 January 2026 we noticed a fall: your users now ask about Rental, which the model had not learned;"
    )
    assert explanation(ENGLISH, about(ALERT)).startswith("On 12 January 2026 we noticed a fall that no single category")


@pytest.mark.parametrize("kind", [AlertKind.TRAFFIC, AlertKind.REPORTS, AlertKind.CANARY])
def test_each_kind_of_alert_about_answers_is_a_cause(kind: AlertKind) -> None:
    for say in (ENGLISH, GERMAN):
        assert "{" not in explanation(say, about(ALERT.model_copy(update={"kind": kind})))


def test_a_fall_without_an_alert_is_explained_too() -> None:
    gift = category("gift card", (8, 40), (28, 30))
    fell = model(**QUIET | {"categories": (gift,), "change": between((210, 230), (180, 240))})
    assert (
        explanation(ENGLISH, fell)
        == "The fall is mostly in Gift card; the next retraining is planned for 19 February 2026."
    )
    below = model(**QUIET, rule=LightRule.BELOW_BASELINE, tasks=())
    assert explanation(ENGLISH, below) == (
        "No single category explains the fall; we are collecting checked answers to retrain with."
    )


def test_nothing_is_explained_where_nothing_fell() -> None:
    service = ALERT.model_copy(update={"kind": AlertKind.END_OF_LIFE, "service": "x"})
    dismissed = ALERT.model_copy(update={"state": AlertState.DISMISSED})
    for quiet in (model(**QUIET), about(service), about(dismissed)):
        assert explanation(ENGLISH, quiet) == ""


@pytest.mark.parametrize(
    ("state", "done"),
    [
        (CycleState.PROPOSED, "a retraining is proposed and waits for approval."),
        (CycleState.TRAINING, "a new version is being trained and tested."),
        (CycleState.AWAITING_PROMOTION, "version v1.3 is trained and waits for approval."),
        (CycleState.REJECTED, "the next retraining is planned for 19 February 2026."),
        (CycleState.ROLLED_BACK, "version v1.3 was tried and taken back, and the one before answers again."),
    ],
)
def test_what_is_done_follows_the_last_retrain(state: CycleState, done: str) -> None:
    retrain = RETRAIN.model_copy(update={"state": state})
    assert explanation(ENGLISH, about(ALERT, retrains=(retrain,))).endswith(f"; {done}")
