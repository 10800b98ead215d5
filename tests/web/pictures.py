"""Screenshots of every page, light, dark and on a phone: python -m tests.web.pictures FOLDER"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.browser import Visitor, chromium
from tests.support.committed import Committed
from tests.support.factories import make_agency
from tests.support.showcase import make_showcase, show_ab_test, show_shadow_test
from tests.support.site import PASSWORD, make_person, served
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.migrations import migrate
from tuneloop.kit.settings import Settings
from tuneloop.tables import Role
from tuneloop_local.engines import engines

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "device_scale_factor": 1},
}


def take(folder: Path, wanted: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch, engines(Settings(data_dir=Path(scratch) / "engines")) as urls:
        migrate(urls.migration)
        database = Database(make_engine(urls.database))
        home = Committed(database, make_agency(database, "studio"))
        shown = make_showcase(database, home.agency)
        if "cycle-ab-test" in wanted:
            with database.unit(home.agency.id) as session:
                show_ab_test(session, home.agency, shown.promotion_id)
        if "cycle-shadow-test" in wanted:
            with database.unit(home.agency.id) as session:
                show_shadow_test(session, home.agency, shown.promotion_id)
        email = make_person(home, Role.OWNER)
        model = "/models/northwind/support"
        pages = {
            "portfolio": "/",
            "client": "/clients/northwind",
            "model": model,
            "quiet-model": "/models/harbor/intake",
            "new-model": "/models/corner/questions",
            "versions": f"{model}/versions",
            "cycles": f"{model}/cycles",
            "alert": f"/alerts/{shown.alert_id}",
            "cycle-promotion": f"/cycles/{shown.promotion_id}",
            "cycle-shadow-test": f"/cycles/{shown.promotion_id}",
            "cycle-ab-test": f"/cycles/{shown.promotion_id}",
            "cycle-retrain": f"/cycles/{shown.retrain_id}",
            "cycle-training": f"/cycles/{shown.training_id}",
            "cycle-turned-down": f"/cycles/{shown.turned_down_id}",
            "cycle-again": f"/cycles/{shown.again_id}",
            "compare": f"/cycles/{shown.promotion_id}/compare",
            "new-client": "/new-client",
            "register-model": "/clients/northwind/new-model",
            "connect": f"{model}/connect",
            "slack": "/slack",
            "members": "/members",
            "keys": "/keys",
            "account": "/account",
            "audit": "/audit",
            "jobs": "/jobs",
            "schedules": "/schedules",
            "bases": "/bases",
        }
        with served(home, Path(scratch) / "site") as address, chromium() as browser:
            for look, options in LOOKS.items():
                person = Visitor(browser, address, **options)
                person.page.goto("/sign-in")
                person.page.screenshot(path=folder / f"sign-in-{look}.png")
                person.sign_in(email, PASSWORD)
                for name, path in pages.items():
                    if wanted and name not in wanted:
                        continue
                    person.page.goto(path)
                    _draw_all(person)
                    person.page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
                    if wide := person.overflow():
                        sys.stderr.write(f"{name}-{look}: {wide} px too wide\n")
                for problem in person.problems:
                    sys.stderr.write(f"{look}: {problem}\n")
                person.context.close()


def _draw_all(person: Visitor) -> None:
    """Charts are drawn when they come into view."""
    for chart in person.page.locator(".chart").all():
        chart.scroll_into_view_if_needed()
        person.page.wait_for_function("chart => chart.dataset.drawn", arg=chart.element_handle())
    person.page.evaluate("scrollTo(0, 0)")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    take(target, sys.argv[2:])
