"""One running installation, and in it an agency whose owner has come, in a browser, to a model in production."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.loop import the_way
from tests.loop.owner import Owner
from tests.support.browser import visitor
from tests.support.running import LABELS, Installed, Running, installed_with_tiny_base, items
from tuneloop_local.demo.api import App, Operator
from tuneloop_local.installation import first_code


@pytest.fixture(scope="module")
def installed(engines_folder: Path) -> Iterator[Installed]:
    with installed_with_tiny_base(engines_folder / "installation") as started:
        yield started


@pytest.fixture(scope="module")
def owner(installed: Installed, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """By keyboard alone to the approval of the first training, but for what only a mouse can do and for Slack."""
    folder = tmp_path_factory.mktemp("files")
    code = first_code(installed.settings)
    assert code is not None
    with visitor(browser, installed.settings.site_url) as person:
        owner = Owner(person)
        owner.by_keyboard = True
        the_way.set_up(owner, code)
        the_way.add_client_and_model(owner)
        the_way.bring_examples(owner, the_way.spreadsheet(folder / "tickets.csv", items(LABELS, range(20))), rows=60)
        owner.by_keyboard = False
        the_way.drop_examples(owner, the_way.spreadsheet(folder / "more.csv", items(LABELS, range(20, 28))), rows=24)
        slack = the_way.connect_slack(owner, installed.settings)
        owner.by_keyboard = True
        the_way.ask_for_training(owner)
        owner.by_keyboard = False
        the_way.promote_in_slack(owner, slack)
        the_way.connect(owner)
        yield owner


@pytest.fixture(scope="module")
def running(installed: Installed, owner: Owner) -> Running:
    settings, key = installed.settings, the_way.key_for_commands(owner)
    app = App(settings.web_url, key, "acme/support")
    return Running(settings, installed.supervisor, Operator(settings.web_url, key), app, key, installed.weights)
