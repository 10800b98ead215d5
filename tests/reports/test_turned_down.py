"""A candidate that the gate turned down is told in one plain sentence, with what is done about it."""

from datetime import timedelta

from tests.reports.sample import RETRAIN
from tests.support.factories import make_base
from tests.support.showcase_traffic import Maker
from tests.support.turned_down import make_turned_down
from tuneloop.clients.months import TimeSpan
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.tables import Agency, CycleState, Domain, Plan
from tuneloop_reports.content import TurnedDown
from tuneloop_reports.gather.activity import retrains
from tuneloop_reports.i18n import Translator
from tuneloop_reports.sections import retrain_facts
from tuneloop_reports.style import Language


def test_every_candidate_that_the_gate_turned_down_is_told_with_its_worst_category(
    database: Database, agency: Agency
) -> None:
    base = make_base(database)
    with database.unit(agency.id) as session:
        maker = Maker(session, base, 1)
        client = maker.client("meadow", "Meadow Furniture", Domain.ECOMMERCE, Plan.BASIC)
        made = make_turned_down(maker, agency, client)
        span = TimeSpan(now() - timedelta(days=1), now() + timedelta(days=1))
        ((_, retrain),) = retrains(session, made.model, span)
    assert [each.candidate for each in retrain.turned_down] == ["1.1", "1.2", "1.3"]
    last = retrain.turned_down[-1]
    assert last.before is not None
    assert last.after is not None
    assert (last.category, last.before.n, round(last.after.value or 0, 2)) == ("returns", 30, 0.43)
    said = retrain_facts(Translator(Language.ENGLISH, "Europe/Berlin"), retrain)[-1]
    assert said.startswith("Version v1.3 was stopped before it reached anybody, because right answers in Returns would")
    assert said.endswith("the version in service stays until one passes.")


def test_the_sentence_says_what_follows_in_both_languages() -> None:
    turned = (TurnedDown(candidate="1.2"),)
    trying = RETRAIN.model_copy(update={"state": CycleState.TRAINING, "turned_down": turned})
    assert retrain_facts(Translator(Language.ENGLISH, "UTC"), trying)[-1].endswith("; another one follows.")
    kept = trying.model_copy(update={"state": CycleState.REJECTED})
    assert retrain_facts(Translator(Language.GERMAN, "UTC"), kept)[-1].endswith("bis eine besteht.")
